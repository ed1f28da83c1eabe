// Causal attention for every shape and both precisions, without tensor cores: any even head width up to 256, any length,
// grouped queries. What `attention_fwd` and `attention_bwd` do faster for heads of 32, 64, 96 and 128 in bfloat16.
//
// Layouts are those of attention.cuh: qkv (batch, Length, (Heads + 2 KeyValueHeads) Width), query heads, key heads, value heads;
// o and d_o (batch, Length, Heads Width); lse and dots (batch, Heads, Length) f32. Every sum has one order.
//
// Launch, with tiles = ceil(Length / 32), 256 threads each:
//   attention_any_fwd          tiles Heads batch blocks, attention_any_shared(Width, false) = 128 (2 Width + 1) bytes of shared memory
//   attention_any_rows         ceil(batch Length Heads / 32) blocks, no shared memory
//   attention_any_bwd_queries  tiles Heads batch blocks, attention_any_shared(Width, true) = 128 (3 Width + 1) bytes
//   attention_any_bwd_keys     tiles KeyValueHeads batch blocks, the same bytes
// The backward pass in this order; bwd_queries and bwd_keys share nothing but what they read.
//
// A block is eight warps of four rows of its own (queries, or keys in bwd_keys), in shared memory where a warp reads them by
// broadcast. The other side passes through one shared tile of 32 rows, a lane a row in products of rows, a lane a column in sums.

__host__ __device__ constexpr int attention_any_shared(int width, bool backward) { return 128 * ((backward ? 3 : 2) * width + 1); }

// The product of 16 bytes of elements, or of one.
template <bool Whole>
__device__ __forceinline__ float attention_dot(const element* x, const element* y) {
    if constexpr (!Whole) {
        return to_float(*x) * to_float(*y);
    } else {
#if MODGEN_FLOAT32
        float4 a = *reinterpret_cast<const float4*>(x), b = *reinterpret_cast<const float4*>(y);
        return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, a.x * b.x)));
#else
        float a[8], b[8], sum = 0.0f;
        unpack(load_streaming(reinterpret_cast<const uint4*>(x)), a);
        unpack(__ldg(reinterpret_cast<const uint4*>(y)), b);
#pragma unroll
        for (int e = 0; e < 8; e++) sum = fmaf(a[e], b[e], sum);
        return sum;
#endif
    }
}

template <int Heads, int KeyValueHeads, int Width_, int Length>
struct AttentionAny {
    static constexpr int Width = Width_, Threads = 256, Strip = 32, Each = 4, Parts = ceil_div(Width, 32), Group = Heads / KeyValueHeads;
    static constexpr int Columns = (Heads + 2 * KeyValueHeads) * Width, OutputColumns = Heads * Width, Tiles = ceil_div(Length, Strip);
    static_assert(Width % 2 == 0 && Width <= 256, "rotary pairs columns, and a lane sums at most eight");
    static_assert(Heads % KeyValueHeads == 0, "every key head serves as many query heads");
    static __device__ __forceinline__ float scale() { return 1.0f / sqrtf(float(Width)); }
    static __device__ __forceinline__ int key_column(int head) { return (Heads + head) * Width; }
    static __device__ __forceinline__ int value_column(int head) { return (Heads + KeyValueHeads + head) * Width; }

    // 32 rows of a head as floats, zeros past the end; `columns` from row to row of the matrix.
    static __device__ __forceinline__ void load(float* to, int pitch, const element* from, int columns, int row) {
        for (int i = int(threadIdx.x); i < Strip * Width; i += Threads) {
            int r = i / Width, c = i % Width;
            to[r * pitch + c] = row + r < Length ? to_float(from[i64(row + r) * columns + c]) : 0.0f;
        }
    }

    // The shared tile, once nobody reads what was in it.
    static __device__ __forceinline__ void load_tile(float* tile, const element* from, int columns, int row) {
        __syncthreads();
        load(tile, Width + 1, from, columns, row);
        __syncthreads();
    }

    // s[r] = own row r of this warp . the lane's row of the tile.
    static __device__ __forceinline__ void multiply(float (&s)[Each], const float* own, const float* tile) {
        const float *mine = own + int(threadIdx.x) / 32 * Each * Width, *other = tile + int(threadIdx.x) % 32 * (Width + 1);
#pragma unroll
        for (int r = 0; r < Each; r++) s[r] = 0.0f;
#pragma unroll 8
        for (int c = 0; c < Width; c += 2) {
            float x = other[c], y = other[c + 1];
#pragma unroll
            for (int r = 0; r < Each; r++) {
                float2 m = *reinterpret_cast<const float2*>(mine + r * Width + c);
                s[r] = fmaf(m.y, y, fmaf(m.x, x, s[r]));
            }
        }
    }

    // sums[r] += the rows of the tile weighted by the lanes' weights[r]; a lane has columns lane, lane + 32, ...
    static __device__ __forceinline__ void combine(float (&sums)[Each][Parts], const float (&weights)[Each], const float* tile) {
        int lane = int(threadIdx.x) % 32;
#pragma unroll 4
        for (int j = 0; j < 32; j++) {
            float w[Each];
#pragma unroll
            for (int r = 0; r < Each; r++) w[r] = __shfl_sync(0xffffffffu, weights[r], j);
#pragma unroll
            for (int i = 0; i < Parts; i++) {
                int column = lane + 32 * i;
                float x = Width % 32 == 0 || column < Width ? tile[j * (Width + 1) + column] : 0.0f;
#pragma unroll
                for (int r = 0; r < Each; r++) sums[r][i] = fmaf(w[r], x, sums[r][i]);
            }
        }
    }

    static __device__ __forceinline__ void clear(float (&sums)[Each][Parts]) {
#pragma unroll
        for (int r = 0; r < Each; r++)
#pragma unroll
            for (int i = 0; i < Parts; i++) sums[r][i] = 0.0f;
    }

    // This warp's rows, which begin at `row`, each by its factor.
    static __device__ __forceinline__ void store(const float (&sums)[Each][Parts], const float (&factors)[Each], element* to, int columns, int row) {
        int lane = int(threadIdx.x) % 32;
#pragma unroll
        for (int r = 0; r < Each; r++)
#pragma unroll
            for (int i = 0; i < Parts; i++)
                if (row + r < Length && lane + 32 * i < Width) to[i64(row + r) * columns + lane + 32 * i] = from_float<element>(sums[r][i] * factors[r]);
    }
};

// The strip of a block: `heads` of them beside each other, `place` counts strips from the one with the most work.
struct AttentionStrip {
    int place, head, sequence;
    __device__ __forceinline__ AttentionStrip(int heads, int batch) {
        int pairs = heads * batch, pair = int(blockIdx.x) % pairs;
        place = int(blockIdx.x) / pairs;
        head = pair % heads;
        sequence = pair / heads;
    }
};

template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_any_fwd(const element* qkv, element* o, float* lse, int batch) {
    using Any = AttentionAny<Heads, KeyValueHeads, Width, Length>;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    float *queries = reinterpret_cast<float*>(attention_memory), *tile = queries + Any::Strip * Width;
    wait_for_previous_kernel();
    AttentionStrip strip(Heads, batch);
    int first = (Any::Tiles - 1 - strip.place) * Any::Strip, lane = int(threadIdx.x) % 32, row = first + int(threadIdx.x) / 32 * Any::Each;
    const element* sequence = qkv + i64(strip.sequence) * Length * Any::Columns;
    const element *keys = sequence + Any::key_column(strip.head / Any::Group), *values = sequence + Any::value_column(strip.head / Any::Group);
    Any::load(queries, Width, sequence + strip.head * Width, Any::Columns, first);

    float sums[Any::Each][Any::Parts], top[Any::Each], total[Any::Each];
    Any::clear(sums);
#pragma unroll
    for (int r = 0; r < Any::Each; r++) {
        top[r] = -MODGEN_INFINITY;
        total[r] = 0.0f;
    }
    for (int key = 0; key <= first; key += Any::Strip) {
        float s[Any::Each];
        Any::load_tile(tile, keys, Any::Columns, key);
        Any::multiply(s, queries, tile);
#pragma unroll
        for (int r = 0; r < Any::Each; r++) {
            s[r] = key + lane <= row + r ? s[r] * Any::scale() : -MODGEN_INFINITY;
            float higher = fmaxf(top[r], warp_max(s[r])), decay = exponential(top[r] - higher);
            s[r] = exponential(s[r] - higher);
            total[r] = total[r] * decay + warp_sum(s[r]);
            top[r] = higher;
#pragma unroll
            for (int i = 0; i < Any::Parts; i++) sums[r][i] *= decay;
        }
        Any::load_tile(tile, values, Any::Columns, key);
        Any::combine(sums, s, tile);
    }
    let_next_kernel_start();
#pragma unroll
    for (int r = 0; r < Any::Each; r++) {
        if (lane == 0 && row + r < Length) lse[(i64(strip.sequence) * Heads + strip.head) * Length + row + r] = top[r] + logarithm(total[r]);
        total[r] = 1.0f / total[r];
    }
    Any::store(sums, total, o + i64(strip.sequence) * Length * Any::OutputColumns + strip.head * Width, Any::OutputColumns, row);
}

// dots = <o, d_o> of each row and head. A warp has four of them, one after the other or, where 16-byte pieces of a head divide a
// warp, as many at a time as fit.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_any_rows(const element* o, const element* d_o, float* dots, int batch) {
    constexpr int Piece = 16 / int(sizeof(element)), Pieces = Width / Piece;
    constexpr bool Whole = Width % Piece == 0 && Pieces <= 32 && 32 % Pieces == 0;
    constexpr int Lanes = Whole ? Pieces : 32, Step = 32 / Lanes > 4 ? 4 : 32 / Lanes;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int lane = int(threadIdx.x) % 32;
    i64 first = (i64(blockIdx.x) * 8 + int(threadIdx.x) / 32) * 4, end = i64(batch) * Length * Heads;  // (sequence, position, head)
#pragma unroll
    for (int i = 0; i < 4; i += Step) {
        i64 at = first + i + lane / Lanes;
        bool inside = lane / Lanes < Step && at < end;
        float sum = 0.0f;
        if (inside)
            for (int c = lane % Lanes * (Whole ? Piece : 1); c < Width; c += Whole ? Width : 32) sum += attention_dot<Whole>(o + at * Width + c, d_o + at * Width + c);
#pragma unroll
        for (int d = Lanes / 2; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        i64 row = at / Heads;
        if (inside && lane % Lanes == 0) dots[(row / Length * Heads + at % Heads) * Length + row % Length] = sum;
    }
}

// Writes the query columns of d_qkv.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_any_bwd_queries(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) {
    using Any = AttentionAny<Heads, KeyValueHeads, Width, Length>;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    float *queries = reinterpret_cast<float*>(attention_memory), *d_outputs = queries + Any::Strip * Width, *tile = d_outputs + Any::Strip * Width;
    wait_for_previous_kernel();
    AttentionStrip strip(Heads, batch);
    int first = (Any::Tiles - 1 - strip.place) * Any::Strip, lane = int(threadIdx.x) % 32, row = first + int(threadIdx.x) / 32 * Any::Each;
    i64 start = i64(strip.sequence) * Length;
    const element* sequence = qkv + start * Any::Columns;
    const element *keys = sequence + Any::key_column(strip.head / Any::Group), *values = sequence + Any::value_column(strip.head / Any::Group);
    Any::load(queries, Width, sequence + strip.head * Width, Any::Columns, first);
    Any::load(d_outputs, Width, d_o + start * Any::OutputColumns + strip.head * Width, Any::OutputColumns, first);

    float sums[Any::Each][Any::Parts], logs[Any::Each], dot[Any::Each], scales[Any::Each];
    Any::clear(sums);
#pragma unroll
    for (int r = 0; r < Any::Each; r++) {
        i64 at = (i64(strip.sequence) * Heads + strip.head) * Length + row + r;
        logs[r] = row + r < Length ? lse[at] : MODGEN_INFINITY;  // no weight past the end
        dot[r] = row + r < Length ? dots[at] : 0.0f;
        scales[r] = Any::scale();
    }
    for (int key = 0; key <= first; key += Any::Strip) {
        float s[Any::Each], d_weight[Any::Each];
        Any::load_tile(tile, values, Any::Columns, key);
        Any::multiply(d_weight, d_outputs, tile);
        Any::load_tile(tile, keys, Any::Columns, key);
        Any::multiply(s, queries, tile);
#pragma unroll
        for (int r = 0; r < Any::Each; r++)
            s[r] = key + lane <= row + r ? exponential(fmaf(s[r], Any::scale(), -logs[r])) * (d_weight[r] - dot[r]) : 0.0f;
        Any::combine(sums, s, tile);
    }
    let_next_kernel_start();
    Any::store(sums, scales, d_qkv + start * Any::Columns + strip.head * Width, Any::Columns, row);
}

// Writes the key and value columns of d_qkv. The queries of a tile lie across the lanes here.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_any_bwd_keys(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) {
    using Any = AttentionAny<Heads, KeyValueHeads, Width, Length>;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    float *keys = reinterpret_cast<float*>(attention_memory), *values = keys + Any::Strip * Width, *tile = values + Any::Strip * Width;
    wait_for_previous_kernel();
    AttentionStrip strip(KeyValueHeads, batch);
    int first = strip.place * Any::Strip, lane = int(threadIdx.x) % 32, row = first + int(threadIdx.x) / 32 * Any::Each;
    i64 start = i64(strip.sequence) * Length;
    const element* sequence = qkv + start * Any::Columns;
    Any::load(keys, Width, sequence + Any::key_column(strip.head), Any::Columns, first);
    Any::load(values, Width, sequence + Any::value_column(strip.head), Any::Columns, first);

    float key_sums[Any::Each][Any::Parts], value_sums[Any::Each][Any::Parts], scales[Any::Each], ones[Any::Each];
    Any::clear(key_sums);
    Any::clear(value_sums);
#pragma unroll
    for (int r = 0; r < Any::Each; r++) {
        scales[r] = Any::scale();
        ones[r] = 1.0f;
    }
    for (int head = strip.head * Any::Group; head < (strip.head + 1) * Any::Group; head++) {
        const element *queries = sequence + head * Width, *d_outputs = d_o + start * Any::OutputColumns + head * Width;
        for (int query = first; query < Length; query += Any::Strip) {
            i64 at = (i64(strip.sequence) * Heads + head) * Length + query + lane;
            bool inside = query + lane < Length;
            float logs = inside ? lse[at] : MODGEN_INFINITY, dot = inside ? dots[at] : 0.0f, s[Any::Each], d_weight[Any::Each];
            Any::load_tile(tile, queries, Any::Columns, query);
            Any::multiply(s, keys, tile);
#pragma unroll
            for (int r = 0; r < Any::Each; r++)
                s[r] = row + r <= query + lane ? exponential(fmaf(s[r], Any::scale(), -logs)) : 0.0f;
            Any::load_tile(tile, d_outputs, Any::OutputColumns, query);
            Any::combine(value_sums, s, tile);
            Any::multiply(d_weight, values, tile);
#pragma unroll
            for (int r = 0; r < Any::Each; r++) s[r] *= d_weight[r] - dot;
            Any::load_tile(tile, queries, Any::Columns, query);
            Any::combine(key_sums, s, tile);
        }
    }
    let_next_kernel_start();
    element* to = d_qkv + start * Any::Columns;
    Any::store(key_sums, scales, to + Any::key_column(strip.head), Any::Columns, row);
    Any::store(value_sums, ones, to + Any::value_column(strip.head), Any::Columns, row);
}
