// Decoding: products of weights with the few rows of a decode step (up to MaxRows of them, 1 to 32; how many, the device counts),
// bfloat16. A product makes Pairs pairs of outputs, of weight rows op.low(p) and op.high(p), so that rotary and SwiGLU find both of
// what they need in one thread. Two forms, chosen by decode_vector:
//
// - One row: a warp owns a pair or two, asks for all their bytes at once, and sums over its lanes.
// - More: the weights lie on the rows of mma.m16n8k16, eight rows of the call on its columns. A block makes eight pairs, its warps
//   take steps of 32 columns in turn and add up in order. A lane reads 16 bytes of both rows, whose eight elements are taken as
//   those of two steps; the inputs are read the same way, so the order of the elements does not matter.
//
// Both ask for the weights before they wait for the kernel before: weights do not depend on it, so with programmatic dependent
// launch a whole step streams weights without a gap. Inputs go unnormed into the sums, which are scaled at the end: the sum of
// squares of a row is a by-product.
//
// Order of arrival: every kernel lets the next one start only after it has waited itself, so what was written two kernels ago may
// be read before the wait. The count of rows is, which makes a block that no row entered return before it has read a weight;
// `Late` where the kernel just before has counted. Such a block does not wait either: it writes nothing, and what comes after it
// starts only once it is gone, which is after decode_qkv has waited for whoever counted, and so for all before that.

__host__ __device__ constexpr bool decode_vector(int columns, int max_rows) { return max_rows == 1 && columns % 256 == 0 && columns <= 4096; }
__host__ __device__ constexpr int decode_each(int columns, int pairs) { return columns <= 1024 && pairs >= 1024 ? 2 : 1; }
__host__ __device__ constexpr int decode_warps(int columns) { return columns <= 1408 ? 4 : columns <= 2816 ? 8 : 16; }
__host__ __device__ constexpr int decode_threads(int columns, int max_rows) { return decode_vector(columns, max_rows) ? 128 : 32 * decode_warps(columns); }
__host__ __device__ constexpr int decode_resident(int columns, int max_rows) { return decode_vector(columns, max_rows) ? 3 : decode_threads(columns, max_rows) == 128 ? 2 : 1; }  // blocks a multiprocessor, for __launch_bounds__
__host__ __device__ constexpr int decode_blocks(int columns, int pairs, int max_rows) {
    return decode_vector(columns, max_rows) ? ceil_div(pairs, 4 * decode_each(columns, pairs)) : ceil_div(pairs, 8);
}

// The rows of the call: gain . x, to be divided by rms(x). `of` maps them to rows of x, or is null.
template <int K>
struct DecodeNormed {
    const float* x;     // (rows of the stream, K) f32
    const float* gain;  // (K) f32
    const int* of;      // (rows) or null
    float epsilon;
    static constexpr bool Scaled = true;
    __device__ __forceinline__ int source(int row) const { return of == nullptr ? row : of[row]; }
    __device__ __forceinline__ void read(float (&to)[8], int source, int column, float& squares) const {
        const float4 *from = reinterpret_cast<const float4*>(x + i64(source) * K + column), *by = reinterpret_cast<const float4*>(gain + column);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float4 v = from[i], g = __ldg(by + i);
            squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
            to[4 * i] = v.x * g.x; to[4 * i + 1] = v.y * g.y; to[4 * i + 2] = v.z * g.z; to[4 * i + 3] = v.w * g.w;
        }
    }
    __device__ __forceinline__ uint4 fragment(int source, int column, float& squares) const {
        float v[8];
        read(v, source, column, squares);
        return pack(v);
    }
    __device__ __forceinline__ float scale(float squares) const { return rsqrtf(squares * (1.0f / K) + epsilon); }
};

// The rows of the call as they are.
template <int K>
struct DecodeNarrow {
    const bf16* y;  // (rows, K) bf16
    static constexpr bool Scaled = false;
    __device__ __forceinline__ int source(int row) const { return row; }
    __device__ __forceinline__ uint4 fragment(int source, int column, float&) const { return *reinterpret_cast<const uint4*>(y + i64(source) * K + column); }
    __device__ __forceinline__ void read(float (&to)[8], int source, int column, float& squares) const { unpack(fragment(source, column, squares), to); }
    __device__ __forceinline__ float scale(float) const { return 1.0f; }
};

// One row. op.ask(pair, row) reads what op.finish(kept, pair, row, low, high) wants besides the products, ahead of them.
template <int K, bool Late, class Op, class Input>
__device__ __forceinline__ void decode_one(const Op& op, const bf16* weights, const Input& input, Rows rows) {
    constexpr int Each = decode_each(K, Op::Pairs), Steps = K / 256;
    int pair = (int(blockIdx.x) * 4 + int(threadIdx.x) / 32) * Each, lane = int(threadIdx.x) % 32;
    uint4 w[2 * Each][Steps];
    auto load = [&]() {
#pragma unroll
        for (int r = 0; r < 2 * Each; r++) {
            int p = minimum(pair + r / 2, Op::Pairs - 1);
            const uint4* from = reinterpret_cast<const uint4*>(weights + i64(r % 2 ? op.high(p) : op.low(p)) * K) + lane;
#pragma unroll
            for (int i = 0; i < Steps; i++) w[r][i] = load_in_place(from + i * 32);
        }
    };
    if constexpr (!Late) {
        if (rows.count() == 0) return;
        load();
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
    if constexpr (Late) {
        if (rows.count() == 0) return;
        load();
    }
    int p = minimum(pair + lane % Each, Op::Pairs - 1), source = input.source(0);
    auto kept = op.ask(p, 0);
    float sums[2 * Each], squares = 0.0f;
#pragma unroll
    for (int r = 0; r < 2 * Each; r++) sums[r] = 0.0f;
#pragma unroll
    for (int i = 0; i < Steps; i++) {
        float x[8], v[8];
        input.read(x, source, i * 256 + lane * 8, squares);
#pragma unroll
        for (int r = 0; r < 2 * Each; r++) {
            unpack(w[r][i], v);
#pragma unroll
            for (int e = 0; e < 8; e++) sums[r] = fmaf(v[e], x[e], sums[r]);
        }
    }
    float scale = Input::Scaled ? input.scale(warp_sum(squares)) : 1.0f;
#pragma unroll
    for (int r = 0; r < 2 * Each; r++) sums[r] = warp_sum(sums[r]) * scale;
    if (lane >= Each || pair + lane >= Op::Pairs) return;
    op.finish(kept, p, 0, Each > 1 && lane == 1 ? sums[2 * Each - 2] : sums[0], Each > 1 && lane == 1 ? sums[2 * Each - 1] : sums[1]);
}

// Up to 32 rows.
template <int K, int MaxRows, bool Late, class Op, class Input>
__device__ __forceinline__ void decode_some(const Op& op, const bf16* weights, const Input& input, Rows rows) {
    constexpr int Warps = decode_warps(K), Groups = ceil_div(MaxRows, 8), Turns = ceil_div(ceil_div(K, 32), Warps), Chunks = ceil_div(Turns, Warps < 16 ? 11 : 6), Steps = ceil_div(Turns, Chunks);
    constexpr bool Whole = K == Chunks * Steps * Warps * 32;
    static_assert(K % 8 == 0, "rows are read 16 bytes at a time");
    static_assert(Groups <= Warps, "a warp finishes at most one group of rows");
    __shared__ float4 partial[Warps][Groups][32];
    __shared__ float row_squares[Warps][Groups * 8];
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, g = lane / 4, pair = int(blockIdx.x) * 8 + g, p = minimum(pair, Op::Pairs - 1);
    const bf16 *low_row = weights + i64(op.low(p)) * K, *high_row = weights + i64(op.high(p)) * K;
    uint4 low[Steps], high[Steps];
    auto column = [&](int chunk, int step) { return ((chunk * Steps + step) * Warps + warp) * 32 + lane % 4 * 8; };
    auto load = [&](int chunk) {
#pragma unroll
        for (int s = 0; s < Steps; s++) {
            int at = column(chunk, s);
            bool inside = Whole || at < K;
            low[s] = inside ? load_in_place(reinterpret_cast<const uint4*>(low_row + at)) : make_uint4(0u, 0u, 0u, 0u);
            high[s] = inside ? load_in_place(reinterpret_cast<const uint4*>(high_row + at)) : make_uint4(0u, 0u, 0u, 0u);
        }
    };
    int count = 0;
    if constexpr (!Late) {
        count = rows.count();
        if (count == 0) return;
        load(0);
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
    if constexpr (Late) {
        count = rows.count();
        if (count == 0) return;
        load(0);
    }
    int first = warp * 8 + lane % 4 * 2;  // of the two rows that this lane finishes, where its warp has a group
    auto kept0 = op.ask(p, minimum(first, count - 1)), kept1 = op.ask(p, minimum(first + 1, count - 1));
    int source[Groups];
    float d[Groups][4], squares[Groups];
#pragma unroll
    for (int i = 0; i < Groups; i++) {
        source[i] = input.source(minimum(i * 8 + g, count - 1));
        d[i][0] = d[i][1] = d[i][2] = d[i][3] = squares[i] = 0.0f;
    }
#pragma unroll 1
    for (int chunk = 0; chunk < Chunks; chunk++) {
        if (chunk > 0) load(chunk);
#pragma unroll
        for (int s = 0; s < Steps; s++) {
            u32 a0[4] = {low[s].x, high[s].x, low[s].y, high[s].y}, a1[4] = {low[s].z, high[s].z, low[s].w, high[s].w};
            int at = column(chunk, s);
#pragma unroll
            for (int i = 0; i < Groups; i++) {
                uint4 b = make_uint4(0u, 0u, 0u, 0u);
                if (Whole || at < K) b = input.fragment(source[i], at, squares[i]);
                multiply_16x8x16(d[i], a0, b.x, b.y);
                multiply_16x8x16(d[i], a1, b.z, b.w);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < Groups; i++) {
        partial[warp][i][lane] = make_float4(d[i][0], d[i][1], d[i][2], d[i][3]);
        if constexpr (Input::Scaled) {
            squares[i] += __shfl_xor_sync(0xffffffffu, squares[i], 1);
            squares[i] += __shfl_xor_sync(0xffffffffu, squares[i], 2);
            if (lane % 4 == 0) row_squares[warp][i * 8 + g] = squares[i];
        }
    }
    __syncthreads();
    if (warp >= Groups) return;
    float4 sum = partial[0][warp][lane];
    float squares0 = Input::Scaled ? row_squares[0][first] : 0.0f, squares1 = Input::Scaled ? row_squares[0][first + 1] : 0.0f;
#pragma unroll
    for (int w = 1; w < Warps; w++) {
        float4 v = partial[w][warp][lane];
        sum = make_float4(sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w);
        if constexpr (Input::Scaled) {
            squares0 += row_squares[w][first];
            squares1 += row_squares[w][first + 1];
        }
    }
    float scale0 = input.scale(squares0), scale1 = input.scale(squares1);
    if (pair < Op::Pairs && first < count) op.finish(kept0, p, first, sum.x * scale0, sum.z * scale0);
    if (pair < Op::Pairs && first + 1 < count) op.finish(kept1, p, first + 1, sum.y * scale1, sum.w * scale1);
}

template <int K, int MaxRows, bool Late, class Op, class Input>
__device__ __forceinline__ void decode_product(const Op& op, const bf16* weights, const Input& input, Rows rows) {
    static_assert(MaxRows == 1 || (MaxRows % 8 == 0 && MaxRows <= 32), "rows go eight at a time");
    if constexpr (decode_vector(K, MaxRows)) decode_one<K, Late>(op, weights, input, rows);
    else decode_some<K, MaxRows, Late>(op, weights, input, rows);
}
