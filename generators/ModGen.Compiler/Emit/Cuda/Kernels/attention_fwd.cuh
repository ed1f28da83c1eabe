// Causal attention forward with mma.sync, for sm_80 and up and heads of 16, 32, ... 128 columns: O = softmax(Q K^T / sqrt(Width)) V
// and the logarithms of the softmax sums (Dao 2023). A block owns 64 queries of a head and walks the keys from the diagonal
// down, the next tile on its way while it works on this one. Launch: ceil(Length / 64) Heads batch blocks of 128 threads,
// 640 (Width + 8) bytes of shared memory.

template <class Tile>
struct AttentionFwdShared {
    alignas(128) unsigned char q[Tile::Bytes];
    alignas(128) unsigned char k[2][Tile::Bytes];
    alignas(128) unsigned char v[2][Tile::Bytes];
};

struct AttentionForward {
    const bf16* qkv;  // (batch, length, (Heads + 2 KeyValueHeads) Width) bf16
    bf16* output;     // (batch, length, Heads Width) bf16
    float* lse;       // (batch, Heads, length) f32
    int length, batch;
    float scale;
};

template <class Tile>
__device__ __forceinline__ void attention_fwd(const AttentionForward& p) {
    using Shape = typename Tile::Shape;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    auto& shared = *reinterpret_cast<AttentionFwdShared<Tile>*>(attention_memory);
    AttentionUnit unit;
    if (!attention_unit(int(blockIdx.x), ceil_div(p.length, Tile::Rows), Shape::Heads, p.batch, true, unit)) return;
    wait_for_previous_kernel();
    int head = unit.head / Shape::Group, row = unit.tile * Tile::Rows, warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    const bf16* sequence = p.qkv + i64(unit.sequence) * p.length * Shape::Columns;
    auto load = [&](int block, int stage) {
        attention_load_tile<Tile>(shared.k[stage], sequence + Shape::key_column(head), Shape::Columns, block * Tile::Rows, p.length);
        attention_load_tile<Tile>(shared.v[stage], sequence + Shape::value_column(head), Shape::Columns, block * Tile::Rows, p.length);
        copy_async_commit();
    };
    attention_load_tile<Tile>(shared.q, sequence + Shape::query_column(unit.head), Shape::Columns, row, p.length);
    load(unit.tile, 0);

    float to_exponent = p.scale * 1.4426950408889634f;
    float s[32], o[Shape::Width / 2];
    u32 weights[16];
    SoftmaxRows rows;
#pragma unroll
    for (int i = 0; i < Shape::Width / 2; i++) o[i] = 0.0f;
    int my_row = warp * 16 + lane / 4;
    for (int block = unit.tile, stage = 0; block >= 0; block--, stage ^= 1) {
        if (block > 0) {
            load(block - 1, stage ^ 1);
            copy_async_wait<1>();
        } else {
            copy_async_wait<0>();
        }
        __syncthreads();
        attention_tile_scores<Tile>(s, shared.q, warp * 16, shared.k[stage]);
        if (block == unit.tile) {
            int past = my_row - lane % 4 * 2;  // keys of the diagonal tile up to here are seen
#pragma unroll
            for (int j = 0; j < 32; j++)
                if (j / 4 * 8 + (j & 1) > past + (j & 2 ? 8 : 0)) s[j] = -MODGEN_INFINITY;
            softmax_step<true>(s, rows, to_exponent);
        } else {
            softmax_step<false>(s, rows, to_exponent);
#pragma unroll
            for (int j = 0; j < Shape::Width / 2; j++) o[j] *= rows.decay[j >> 1 & 1];
        }
        attention_pack(s, weights);
        attention_tile_combine<Tile>(o, weights, shared.v[stage]);
        __syncthreads();
    }
    let_next_kernel_start();
#pragma unroll
    for (int r = 0; r < 2; r++) {
        rows.sum[r] += __shfl_xor_sync(0xffffffffu, rows.sum[r], 1);
        rows.sum[r] += __shfl_xor_sync(0xffffffffu, rows.sum[r], 2);
        int at = row + my_row + r * 8;
        if (lane % 4 == 0 && at < p.length)
            p.lse[(i64(unit.sequence) * Shape::Heads + unit.head) * p.length + at] = rows.max[r] * p.scale + log2_fast(rows.sum[r]) * 0.6931471805599453f;
    }
    attention_store_tile<Tile>(o, reciprocal(rows.sum[0]), reciprocal(rows.sum[1]), shared.q, p.output + i64(unit.sequence) * p.length * Shape::Heads * Shape::Width + unit.head * Shape::Width,
                               Shape::Heads * Shape::Width, row, p.length);
}

// The same arguments as attention_any_fwd.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_fwd(const bf16* qkv, bf16* o, float* lse, int batch) {
    attention_fwd<AttentionTile<AttentionHeads<Width, Heads, KeyValueHeads>>>(AttentionForward{qkv, o, lse, Length, batch, 1.0f / sqrtf(float(Width))});
}
