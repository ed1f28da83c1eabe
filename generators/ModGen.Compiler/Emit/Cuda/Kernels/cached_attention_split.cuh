// Attention of few rows over long caches, either precision: a row's keys are split over Splits blocks, whose partial softmaxes a
// second kernel combines in the order of the keys. What decode_attention_sm90 does in one kernel where there are clusters.
// Families: prelude cached_attention cached_attention_split.
//
// Launch: cached_attention_split  rows.most cached_attention_blocks(Heads, KeyValueHeads) Splits blocks of 256 threads;
// cached_attention_combine  ceil(rows.most Heads / 8) blocks of 256 threads. partials: (rows, Heads, Splits, Width + 2) f32.

// Columns: of a row of `queries`, whose first Heads Width columns are the query heads.
template <int Heads, int KeyValueHeads, int Width, int Context, int Splits, int Columns = (Heads + 2 * KeyValueHeads) * Width>
__device__ __forceinline__ void cached_attention_split(const element* queries, const int* sequences, const int* visible, const element* cache, float* partials, Rows rows) {
    constexpr int Parts = cached_attention_blocks(Heads, KeyValueHeads);
    wait_for_previous_kernel();
    let_next_kernel_start();
    int split = int(blockIdx.x) % Splits, part = int(blockIdx.x) / Splits % Parts, row = int(blockIdx.x) / (Splits * Parts), head = cached_first_head<Heads, KeyValueHeads>(part);
    if (row >= rows.count()) return;
    int keys = visible[row];
    cached_attention_keys<Heads, KeyValueHeads, Width, false>(
        queries + i64(row) * Columns, cache + i64(sequences[row]) * Context * 2 * KeyValueHeads * Width, part, keys * split / Splits, keys * (split + 1) / Splits, 0, []() {},
        [&](int h, int column, float top, float sum, float out) {
            float* to = partials + ((i64(row) * Heads + head + h) * Splits + split) * (Width + 2);
            to[column] = out;
            if (column == 0) { to[Width] = top; to[Width + 1] = sum; }
        });
}

// o (rows, Heads Width); a warp a head of a row.
template <int Heads, int Width, int Splits>
__device__ __forceinline__ void cached_attention_combine(const float* partials, element* o, Rows rows) {
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 at = i64(blockIdx.x) * 8 + int(threadIdx.x) / 32;
    if (at >= i64(rows.count()) * Heads) return;
    const float* from = partials + at * Splits * (Width + 2);
    for (int column = int(threadIdx.x) % 32; column < Width; column += 32) {
        auto all = cached_combine<Splits>([&](int s) { return from[s * (Width + 2) + Width]; }, [&](int s) { return from[s * (Width + 2) + Width + 1]; },
                                          [&](int s) { return from[s * (Width + 2) + column]; });
        o[at * Width + column] = from_float<element>(all.out[0] / all.sum);
    }
}
