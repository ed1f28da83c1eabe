// Causal attention on Hopper: what the forward and backward kernels share. A strip is 64 rows (queries or keys) and belongs
// to one warpgroup. Every copy is a box of 64 columns x 64 rows x 1 sequence under the 128-byte swizzle, so one map of
// (columns, length, batch) serves queries, keys and values, and rows past a sequence's end read as zeros.

// The units of a persistent block. Every other round is dealt backwards, so that no block gets the longer half of each.
struct AttentionSchedule {
    int tiles, heads, batch, round;
    bool descending;

    __device__ __forceinline__ AttentionSchedule(int tiles_, int heads_, int batch_, bool descending_)
        : tiles(tiles_), heads(heads_), batch(batch_), round(0), descending(descending_) { }

    __device__ __forceinline__ bool next(AttentionUnit& u) {
        int grid = int(gridDim.x), at = round * grid + (round & 1 ? grid - 1 - int(blockIdx.x) : int(blockIdx.x));
        round++;
        return attention_unit(at, tiles, heads, batch, descending, u);
    }
};

// 64 rows of one head to shared memory, panel after panel, each of 64 rows x 128 bytes; `stride` bytes from panel to panel.
template <class Shape>
__device__ __forceinline__ void attention_load_strip(unsigned char* to, int stride, const TensorMap& map, u64* barrier, int column, int row,
                                                     int sequence) {
#pragma unroll
    for (int panel = 0; panel < Shape::Panels; panel++) copy_box(to + panel * stride, map, barrier, column + panel * 64, row, sequence);
}

// C (64 x N) = A . B^T over the Width of a head: A a strip of 64 rows, B a tile of N rows, both as loaded.
template <class Shape, int N>
__device__ __forceinline__ void attention_scores(float (&c)[N / 2], const unsigned char* a, const unsigned char* b) {
    u64 da = tile_descriptor(shared_address(a), Shape::Panel), db = tile_descriptor(shared_address(b), Shape::Panel);
#pragma unroll
    for (int panel = 0; panel < Shape::Panels; panel++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            Wgmma<N, false, false>::ss(c, da + ((panel * Shape::Panel + i * 32) >> 4), db + ((panel * N * 128 + i * 32) >> 4), panel + i > 0);
}

// C (64 x Width) (+)= P (64 x K in registers) . B, B a tile of K rows as loaded.
template <class Shape, int K>
__device__ __forceinline__ void attention_combine(float (&c)[Shape::Width / 2], const u32 (&p)[K / 4], const unsigned char* b, bool accumulate) {
    u64 db = tile_descriptor(shared_address(b), K * 128);
#pragma unroll
    for (int i = 0; i < K / 16; i++)
        Wgmma<Shape::Width, false, true>::rs(c, p + 4 * i, db + ((i * 16 * 128) >> 4), i > 0 || accumulate);
}

// A warpgroup's 64 x Width result to its strip of shared memory and from there out; rows past the end are not written.
template <class Shape>
__device__ __forceinline__ void attention_store_strip(const float (&c)[Shape::Width / 2], float low_scale, float high_scale, const TensorMap& map,
                                                      unsigned char* staging, int column, int row, int sequence, int barrier, int thread) {
    int lane = thread % 32, my_row = thread / 32 * 16 + (lane & 15), my_chunk = lane >> 4;
    u32 base = shared_address(staging);
    if (thread == 0) store_wait_read<0>();
    named_barrier(barrier, 128);
#pragma unroll
    for (int panel = 0; panel < Shape::Panels; panel++)
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            const float* d = c + panel * 32 + pair * 8;
            store_matrices(base + panel * Shape::Panel + swizzled(my_row, pair * 2 + my_chunk), pack(d[0] * low_scale, d[1] * low_scale),
                           pack(d[2] * high_scale, d[3] * high_scale), pack(d[4] * low_scale, d[5] * low_scale),
                           pack(d[6] * high_scale, d[7] * high_scale));
        }
    async_proxy_fence();
    named_barrier(barrier, 128);
    if (thread == 0) {
#pragma unroll
        for (int panel = 0; panel < Shape::Panels; panel++) store_box(map, staging + panel * Shape::Panel, column + panel * 64, row, sequence);
        store_commit();
    }
}
