// Decoding: attention of each row's one query a head over its ragged cache, the keys split over a cluster of Splits blocks that
// combine through distributed shared memory. Either precision. Families: prelude sm90 cached_attention decode_attention_sm90.
//
// Launch: rows.most cached_attention_blocks(Heads, KeyValueHeads) Splits blocks of 256 threads in clusters of Splits (2, 4 or 8).
//
// It follows decode_qkv, which writes q and this call's entries, and asks for the entries of earlier calls before it has ended;
// so `sequences`, `lengths` and the count of rows are read before the wait, and must be older than the kernel before. `lengths` is
// without this call's rows: decode_attention_output adds them.

__device__ __forceinline__ float load_cluster(const float* local, u32 rank) {
    float v;
    asm volatile("{ .reg .b32 remote; mapa.shared::cluster.u32 remote, %1, %2; ld.shared::cluster.f32 %0, [remote]; }"
                 : "=f"(v) : "r"(shared_address(local)), "r"(rank) : "memory");
    return v;
}

// q, o: (rows, Heads Width).
template <int Heads, int KeyValueHeads, int Width, int Context, int Splits>
__device__ __forceinline__ void decode_attention(const element* q, const int* sequences, const int* lengths, const element* cache, element* o, Rows rows) {
    constexpr int Parts = cached_attention_blocks(Heads, KeyValueHeads), Group = Heads / KeyValueHeads, Some = cached_attention_heads(Group);
    __shared__ float block_top[Some], block_sum[Some], block_out[Some][Width];
    int rank = int(cluster_rank()), part = int(blockIdx.x) / Splits % Parts, row = int(blockIdx.x) / (Splits * Parts), head = cached_first_head<Heads, KeyValueHeads>(part);
    if (row >= rows.count()) return;  // see decode_products for why this need not wait
    int sequence = sequences[row], length = lengths[sequence], keys = length + 1;
    for (int i = 0; i < row; i++) keys += sequences[i] == sequence;
    auto wait = []() {
        wait_for_previous_kernel();
        let_next_kernel_start();
    };
    cached_attention_keys<Heads, KeyValueHeads, Width, true>(
        q + i64(row) * Heads * Width, cache + i64(sequence) * Context * 2 * KeyValueHeads * Width, part, keys * rank / Splits, keys * (rank + 1) / Splits, length, wait,
        [&](int h, int column, float top, float sum, float out) {
            block_out[h][column] = out;
            if (column == 0) { block_top[h] = top; block_sum[h] = sum; }
        });
    cluster_sync();
    for (int i = rank * 256 + int(threadIdx.x); i < Some * Width; i += 256 * Splits) {
        int h = i / Width, column = i % Width;
        if (head + h >= (head / Group + 1) * Group) continue;
        auto all = cached_combine<Splits>([&](int s) { return load_cluster(&block_top[h], s); }, [&](int s) { return load_cluster(&block_sum[h], s); },
                                          [&](int s) { return load_cluster(&block_out[h][column], s); });
        o[(i64(row) * Heads + head + h) * Width + column] = from_float<element>(all.out[0] / all.sum);
    }
    cluster_sync();
}
