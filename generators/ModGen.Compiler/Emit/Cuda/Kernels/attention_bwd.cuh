// Causal attention backward with mma.sync, for sm_80 and up and heads of 16, 32, ... 128 columns: dQ by one kernel, dK and dV by
// another, as attention_bwd_sm90 explains, so that the order of every sum is fixed. Blocks of 128 threads own 64 queries (or
// keys) of a head and walk the other side. Launch, after attention_any_rows has left the dots: ceil(Length / 64) batch blocks
// times Heads (queries) or KeyValueHeads (keys), 768 (Width + 8) bytes of shared memory, 512 (Width + 8) where Width is 128.

struct AttentionGradient {
    const bf16* qkv;    // (batch, length, (Heads + 2 KeyValueHeads) Width) bf16
    const bf16* d_o;    // (batch, length, Heads Width) bf16
    const float* lse;   // (batch, Heads, length) f32
    const float* dots;  // (batch, Heads, length) f32: <o, d_o>
    bf16* d_qkv;        // as qkv
    int length, batch;
    float scale;
};

// The values of two neighbouring queries of a head, the first one even; `past` beyond the end.
__device__ __forceinline__ float2 attention_pair(const float* of, int query, int length, float past) {
    if (length % 2 == 0) return query < length ? *reinterpret_cast<const float2*>(of + query) : make_float2(past, past);
    return make_float2(query < length ? of[query] : past, query + 1 < length ? of[query + 1] : past);
}

template <class Tile>
struct AttentionBwdShared {
    alignas(128) unsigned char a[Tile::Bytes];  // owned: queries and dO, or keys and values
    alignas(128) unsigned char b[Tile::Bytes];
    alignas(128) unsigned char c[Tile::Stages][Tile::Bytes];  // walked: keys and values, or queries and dO
    alignas(128) unsigned char d[Tile::Stages][Tile::Bytes];
};

// Walks `steps` tiles: `load` starts the copy of step i to a stage, `work` uses it.
template <class Tile, class Load, class Work>
__device__ __forceinline__ void attention_walk(int steps, const Load& load, const Work& work) {
    load(0, 0);
    for (int i = 0; i < steps; i++) {
        if constexpr (Tile::Stages == 2) {
            if (i + 1 < steps) {
                load(i + 1, (i + 1) & 1);
                copy_async_wait<1>();
            } else {
                copy_async_wait<0>();
            }
            __syncthreads();
            work(i, i & 1);
            __syncthreads();
        } else {
            copy_async_wait<0>();
            __syncthreads();
            work(i, 0);
            __syncthreads();
            if (i + 1 < steps) load(i + 1, 0);
        }
    }
}

template <class Tile>
__device__ __forceinline__ void attention_bwd_queries(const AttentionGradient& p) {
    using Shape = typename Tile::Shape;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    auto& shared = *reinterpret_cast<AttentionBwdShared<Tile>*>(attention_memory);
    AttentionUnit unit;
    if (!attention_unit(int(blockIdx.x), ceil_div(p.length, Tile::Rows), Shape::Heads, p.batch, true, unit)) return;
    wait_for_previous_kernel();
    constexpr int OutputColumns = Shape::Heads * Shape::Width;
    int head = unit.head / Shape::Group, row = unit.tile * Tile::Rows, warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    i64 start = i64(unit.sequence) * p.length;
    const bf16* sequence = p.qkv + start * Shape::Columns;
    attention_load_tile<Tile>(shared.a, sequence + Shape::query_column(unit.head), Shape::Columns, row, p.length);
    attention_load_tile<Tile>(shared.b, p.d_o + start * OutputColumns + unit.head * Shape::Width, OutputColumns, row, p.length);
    int my_row = warp * 16 + lane / 4;
    float lse[2], dot[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int query = row + my_row + r * 8;
        i64 at = (i64(unit.sequence) * Shape::Heads + unit.head) * p.length + query;
        lse[r] = query < p.length ? p.lse[at] * 1.4426950408889634f : MODGEN_INFINITY;  // no weight past the end
        dot[r] = query < p.length ? p.dots[at] : 0.0f;
    }

    float to_exponent = p.scale * 1.4426950408889634f;
    float dq[Shape::Width / 2];
#pragma unroll
    for (int i = 0; i < Shape::Width / 2; i++) dq[i] = 0.0f;
    auto load = [&](int i, int stage) {
        int at = (unit.tile - i) * Tile::Rows;
        attention_load_tile<Tile>(shared.c[stage], sequence + Shape::key_column(head), Shape::Columns, at, p.length);
        attention_load_tile<Tile>(shared.d[stage], sequence + Shape::value_column(head), Shape::Columns, at, p.length);
        copy_async_commit();
    };
    attention_walk<Tile>(unit.tile + 1, load, [&](int i, int stage) {
        float s[32], dp[32];
        u32 ds[16];
        attention_tile_scores<Tile>(s, shared.a, warp * 16, shared.c[stage]);
        attention_tile_scores<Tile>(dp, shared.b, warp * 16, shared.d[stage]);
        int past = i == 0 ? my_row - lane % 4 * 2 : 64;  // keys of this tile up to here are seen
#pragma unroll
        for (int j = 0; j < 32; j++) {
            float weight = exp2_fast(fmaf(s[j], to_exponent, -lse[j >> 1 & 1]));
            if (j / 4 * 8 + (j & 1) > past + (j & 2 ? 8 : 0)) weight = 0.0f;
            dp[j] = weight * (dp[j] - dot[j >> 1 & 1]);
        }
        attention_pack(dp, ds);
        attention_tile_combine<Tile>(dq, ds, shared.c[stage]);
    });
    let_next_kernel_start();
    attention_store_tile<Tile>(dq, p.scale, p.scale, shared.a, p.d_qkv + start * Shape::Columns + Shape::query_column(unit.head), Shape::Columns, row, p.length);
}

template <class Tile>
__device__ __forceinline__ void attention_bwd_keys(const AttentionGradient& p) {
    using Shape = typename Tile::Shape;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    auto& shared = *reinterpret_cast<AttentionBwdShared<Tile>*>(attention_memory);
    AttentionUnit unit;
    int tiles = ceil_div(p.length, Tile::Rows);
    if (!attention_unit(int(blockIdx.x), tiles, Shape::KeyValueHeads, p.batch, false, unit)) return;
    wait_for_previous_kernel();
    constexpr int OutputColumns = Shape::Heads * Shape::Width;
    int row = unit.tile * Tile::Rows, warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, steps = tiles - unit.tile;
    i64 start = i64(unit.sequence) * p.length;
    const bf16* sequence = p.qkv + start * Shape::Columns;
    attention_load_tile<Tile>(shared.a, sequence + Shape::key_column(unit.head), Shape::Columns, row, p.length);
    attention_load_tile<Tile>(shared.b, sequence + Shape::value_column(unit.head), Shape::Columns, row, p.length);

    float to_exponent = p.scale * 1.4426950408889634f;
    float dk[Shape::Width / 2], dv[Shape::Width / 2];
#pragma unroll
    for (int i = 0; i < Shape::Width / 2; i++) dk[i] = dv[i] = 0.0f;
    auto load = [&](int i, int stage) {
        int query_head = unit.head * Shape::Group + i / steps, at = (unit.tile + i % steps) * Tile::Rows;
        attention_load_tile<Tile>(shared.c[stage], sequence + Shape::query_column(query_head), Shape::Columns, at, p.length);
        attention_load_tile<Tile>(shared.d[stage], p.d_o + start * OutputColumns + query_head * Shape::Width, OutputColumns, at, p.length);
        copy_async_commit();
    };
    attention_walk<Tile>(steps * Shape::Group, load, [&](int i, int stage) {
        int query_head = unit.head * Shape::Group + i / steps, query = (unit.tile + i % steps) * Tile::Rows;
        i64 of = (i64(unit.sequence) * Shape::Heads + query_head) * p.length;
        query += lane % 4 * 2;
        float s[32];
        u32 weights[16], ds[16];
        attention_tile_scores<Tile>(s, shared.a, warp * 16, shared.c[stage]);
        int hidden = i % steps == 0 ? warp * 16 + lane / 4 - lane % 4 * 2 : -64;  // queries of this tile before this do not see the key
#pragma unroll
        for (int j = 0; j < 32; j += 4) {
            float2 sum = attention_pair(p.lse + of, query + j * 2, p.length, MODGEN_INFINITY);
#pragma unroll
            for (int e = 0; e < 4; e++) {
                s[j + e] = exp2_fast(fmaf(s[j + e], to_exponent, -1.4426950408889634f * (e & 1 ? sum.y : sum.x)));
                if (j * 2 + (e & 1) < hidden + (e & 2 ? 8 : 0)) s[j + e] = 0.0f;
            }
        }
        attention_pack(s, weights);
        attention_tile_combine<Tile>(dv, weights, shared.d[stage]);
        attention_tile_scores<Tile>(s, shared.b, warp * 16, shared.d[stage]);
#pragma unroll
        for (int j = 0; j < 32; j += 4) {
            float2 dot = attention_pair(p.dots + of, query + j * 2, p.length, 0.0f);
            ds[j / 2] = pack(low_half(weights[j / 2]) * (s[j] - dot.x), high_half(weights[j / 2]) * (s[j + 1] - dot.y));
            ds[j / 2 + 1] = pack(low_half(weights[j / 2 + 1]) * (s[j + 2] - dot.x), high_half(weights[j / 2 + 1]) * (s[j + 3] - dot.y));
        }
        attention_tile_combine<Tile>(dk, ds, shared.c[stage]);
    });
    let_next_kernel_start();
    bf16* to = p.d_qkv + start * Shape::Columns;
    attention_store_tile<Tile>(dk, p.scale, p.scale, shared.a, to + Shape::key_column(unit.head), Shape::Columns, row, p.length);
    attention_store_tile<Tile>(dv, 1.0f, 1.0f, shared.b, to + Shape::value_column(unit.head), Shape::Columns, row, p.length);
}

// The same arguments as attention_any_bwd_queries and attention_any_bwd_keys.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_bwd_queries(const bf16* qkv, const bf16* d_o, const float* lse, const float* dots, bf16* d_qkv, int batch) {
    attention_bwd_queries<AttentionTile<AttentionHeads<Width, Heads, KeyValueHeads>>>(AttentionGradient{qkv, d_o, lse, dots, d_qkv, Length, batch, 1.0f / sqrtf(float(Width))});
}

template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_bwd_keys(const bf16* qkv, const bf16* d_o, const float* lse, const float* dots, bf16* d_qkv, int batch) {
    attention_bwd_keys<AttentionTile<AttentionHeads<Width, Heads, KeyValueHeads>>>(AttentionGradient{qkv, d_o, lse, dots, d_qkv, Length, batch, 1.0f / sqrtf(float(Width))});
}
