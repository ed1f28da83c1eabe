// A linear layer on few rows, as sampling has them: Y (rows, Outputs) = X (rows, Inputs) . W^T, in either precision, any sizes.
// Weights are read once, whatever the number of rows, so the floor is their bytes over the speed of a copy. A block makes 16
// outputs for all rows; each sum is float32, in a fixed order that does not depend on the number of rows.
//
// bfloat16, Inputs a multiple of 8: on the tensor cores, weights on the wide side of mma.m16n8k16 and eight rows of X on the
// narrow one. The block's warps share the reduction. Weights go from device memory into fragments without a stop: a lane reads
// 16 bytes of outputs g and g + 8, whose eight elements are taken as those of two steps; X is read the same way, so the
// order of the elements does not matter. Otherwise a warp makes two outputs, its lanes sharing the reduction.
//
// Where rows.count() is 0 the block leaves and reads nothing. `Ahead` asks for the weights in the second-level cache while the
// previous kernel still runs, for layers that always have rows.
//
// Launch: 256 threads, ceil(Outputs / 16) blocks, no dynamic shared memory; rows.most <= MaxRows. What becomes of the results:
// see linear_stores. Families: prelude sm80 linear_stores linear_rows.

// Sums for two outputs and MaxRows rows of X: lane r returns those of row r.
template <int MaxRows, int Outputs, int Inputs>
__device__ __forceinline__ float2 linear_rows_plain(const element* x, const element* w, int rows, int column) {
    constexpr int Wide = sizeof(element) == 4 && Inputs % 4 == 0 ? 4 : 1;
    struct alignas(Wide * sizeof(element)) Some { element v[Wide]; };
    int lane = int(threadIdx.x) % 32;
    const element *w0 = w + i64(column) * Inputs, *w1 = w + i64(minimum(column + 1, Outputs - 1)) * Inputs;
    float sum[MaxRows][2];
#pragma unroll
    for (int r = 0; r < MaxRows; r++) sum[r][0] = sum[r][1] = 0.0f;
    for (int k = lane * Wide; k < Inputs; k += 32 * Wide) {
        Some a = *reinterpret_cast<const Some*>(w0 + k), b = *reinterpret_cast<const Some*>(w1 + k);
#pragma unroll
        for (int r = 0; r < MaxRows; r++) {
            if (r >= rows) continue;
            Some c = *reinterpret_cast<const Some*>(x + r * Inputs + k);
#pragma unroll
            for (int i = 0; i < Wide; i++) {
                sum[r][0] = fmaf(to_float(a.v[i]), to_float(c.v[i]), sum[r][0]);
                sum[r][1] = fmaf(to_float(b.v[i]), to_float(c.v[i]), sum[r][1]);
            }
        }
    }
    float2 mine = make_float2(0.0f, 0.0f);
#pragma unroll
    for (int r = 0; r < MaxRows; r++) {
        float c0 = warp_sum(sum[r][0]), c1 = warp_sum(sum[r][1]);
        if (lane == r) mine = make_float2(c0, c1);
    }
    return mine;
}

// This warp's part of the reduction for 16 outputs from `first`, added to d[i] for rows 8 i to 8 i + 7.
template <int Groups, int Outputs, int Inputs>
__device__ __forceinline__ void linear_rows_mma(float (&d)[Groups][4], const bf16* x, const bf16* w, int rows, int first) {
    // Steps of 32 a warp, in batches of up to six, which are asked for at once.
    constexpr int Steps = ceil_div(ceil_div(Inputs, 32), 8), Ahead = ceil_div(Steps, ceil_div(Steps, 6));
    auto inside = [](int step, int k) { return (Steps % Ahead == 0 || step < Steps) && (Inputs % 256 == 0 || k < Inputs); };
    int lane = int(threadIdx.x) % 32, g = lane / 4, start = int(threadIdx.x) / 32 * Steps * 32 + lane % 4 * 8;
    const bf16 *low_row = w + i64(minimum(first + g, Outputs - 1)) * Inputs, *high_row = w + i64(minimum(first + g + 8, Outputs - 1)) * Inputs;
#pragma unroll 1
    for (int step = 0; step < Steps; step += Ahead) {
        uint4 low[Ahead], high[Ahead];
#pragma unroll
        for (int s = 0; s < Ahead; s++) {
            int k = start + (step + s) * 32;
            bool here = inside(step + s, k);
            low[s] = here ? load_streaming(reinterpret_cast<const uint4*>(low_row + k)) : make_uint4(0, 0, 0, 0);
            high[s] = here ? load_streaming(reinterpret_cast<const uint4*>(high_row + k)) : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int s = 0; s < Ahead; s++) {
            int k = start + (step + s) * 32;
            u32 a0[4] = {low[s].x, high[s].x, low[s].y, high[s].y}, a1[4] = {low[s].z, high[s].z, low[s].w, high[s].w};
#pragma unroll
            for (int i = 0; i < Groups; i++) {
                if (i * 8 >= rows) continue;
                uint4 b = make_uint4(0, 0, 0, 0);
                if (inside(step + s, k)) b = *reinterpret_cast<const uint4*>(x + minimum(i * 8 + g, rows - 1) * Inputs + k);
                multiply_16x8x16(d[i], a0, b.x, b.y);
                multiply_16x8x16(d[i], a1, b.z, b.w);
            }
        }
    }
}

template <int MaxRows, int Outputs, int Inputs, bool Ahead = false, class Store>
__device__ __forceinline__ void linear_rows(const element* x, const element* w, Rows counted, const Store& store) {
    static_assert(MaxRows == 1 || MaxRows % 8 == 0, "rows go eight at a time");
    static_assert(MaxRows <= 32, "more rows are for the tiled products");
    constexpr bool TensorCores = sizeof(element) == 2 && Inputs % 8 == 0;
    constexpr int Groups = ceil_div(MaxRows, 8);
    int first = int(blockIdx.x) * 16, thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32;
    if constexpr (Ahead) {
        const unsigned char* from = reinterpret_cast<const unsigned char*>(w + i64(first) * Inputs);
        int bytes = minimum(16, Outputs - first) * Inputs * int(sizeof(element));
        for (int at = thread * 128; at < bytes; at += 256 * 128) prefetch_to_second_level(from + at);
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
    int rows = counted.count();
    if (rows == 0) return;

    int row, column;
    float2 result;
    if constexpr (TensorCores) {
        __shared__ float partial[8][Groups][32][4];
        float d[Groups][4];
#pragma unroll
        for (int i = 0; i < Groups * 4; i++) d[i / 4][i % 4] = 0.0f;
        linear_rows_mma<Groups, Outputs, Inputs>(d, x, w, rows, first);
#pragma unroll
        for (int i = 0; i < Groups; i++) *reinterpret_cast<float4*>(partial[warp][i][lane]) = make_float4(d[i][0], d[i][1], d[i][2], d[i][3]);
        __syncthreads();
        row = thread / 8;
        int output = thread % 8 * 2, from = output % 8 * 4 + row % 8 / 2, part = output / 8 * 2 + row % 2;
        if (row >= rows) return;
        column = first + output;
        result = make_float2(0.0f, 0.0f);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            result.x += partial[i][row / 8][from][part];
            result.y += partial[i][row / 8][from + 4][part];
        }
    } else {
        row = lane;
        column = first + warp * 2;
        if (column >= Outputs) return;
        result = linear_rows_plain<MaxRows, Outputs, Inputs>(x, w, rows, column);
    }
    if (row < rows && column < Outputs) store(row, column, result.x, result.y, store.ask(row, column));
}
