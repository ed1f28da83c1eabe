// Matrix products of any size in either precision, on the ordinary arithmetic units: C (m x n) = A (m x k) . B (k x n).
//
//   forward          Y  = X . W^T     <false, false>   A = X  k-major,   B = W  k-major
//   input gradient   dX = dY . W      <false, true>    A = dY k-major,   B = W  mn-major
//   weight gradient  dW += dY^T . X   <true, true>     A = dY mn-major,  B = X  mn-major, k counts rows
//
// A k-major operand lies as (output, reduction), an mn-major one as (reduction, output), rows of `pitch` elements, no alignment
// asked. Sums are float32 in a fixed order: 128 products one after the other, then the sums of these, so that the error grows
// with the square root of the length or less. It is what float32 precision and odd sizes take; linear_sm80 is for the rest.
//
// m or k may be Rows. Launch: 256 threads, ceil(m / 64) * ceil(n / 64) blocks (of the most rows), no dynamic shared memory.
// Families: prelude linear_stores linear_any.

struct LinearAny { static constexpr int Size = 64, Depth = 32, Threads = 256, Each = Size * Depth / Threads, Part = 128; };

// Where output element `output` of reduction step `depth` lies in a shared tile: groups of four outputs stay together and are
// permuted by the step, so that neither kind of copy below meets in a bank.
__device__ __forceinline__ int linear_any_at(int depth, int output) { return depth * LinearAny::Size + ((output / 4 ^ (depth & 7)) * 4 | (output & 3)); }

// The i-th element that this thread copies of a tile: eight steps of four outputs a warp, or 32 outputs of one step.
template <bool MnMajor> __device__ __forceinline__ void linear_any_place(int i, int& depth, int& output) {
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32;
    depth = MnMajor ? i * 4 + warp / 2 : i / 2 * 8 + lane % 8;
    output = MnMajor ? warp % 2 * 32 + lane : i % 2 * 32 + warp * 4 + lane / 8;
}

template <bool MnMajor>
__device__ __forceinline__ void linear_any_load(float (&v)[LinearAny::Each], const element* from, int pitch, int output, int outputs, int depth, int depths) {
#pragma unroll
    for (int i = 0; i < LinearAny::Each; i++) {
        int d, o;
        linear_any_place<MnMajor>(i, d, o);
        d += depth;
        o += output;
        v[i] = d < depths && o < outputs ? to_float(from[MnMajor ? i64(d) * pitch + o : i64(o) * pitch + d]) : 0.0f;
    }
}

template <bool MnMajor> __device__ __forceinline__ void linear_any_keep(const float (&v)[LinearAny::Each], float* tile) {
#pragma unroll
    for (int i = 0; i < LinearAny::Each; i++) {
        int d, o;
        linear_any_place<MnMajor>(i, d, o);
        tile[linear_any_at(d, o)] = v[i];
    }
}

// part += a tile's products: 4 x 4 results a thread.
__device__ __forceinline__ void linear_any_multiply(float (&part)[4][4], const float* a, const float* b) {
    int across = int(threadIdx.x) % 16 * 4, down = int(threadIdx.x) / 16 * 4;
#pragma unroll 8
    for (int d = 0; d < LinearAny::Depth; d++) {
        float4 fa = *reinterpret_cast<const float4*>(a + linear_any_at(d, down)), fb = *reinterpret_cast<const float4*>(b + linear_any_at(d, across));
        float as[4] = {fa.x, fa.y, fa.z, fa.w}, bs[4] = {fb.x, fb.y, fb.z, fb.w};
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) part[i][j] = fmaf(as[i], bs[j], part[i][j]);
    }
}

// What becomes of the results: see linear_stores.
template <bool MnMajorA, bool MnMajorB, class M, class K, class Store>
__device__ __forceinline__ void linear_any(const element* a, int pitch_a, const element* b, int pitch_b, M most, int n, K length, const Store& store) {
    using L = LinearAny;
    __shared__ float4 tile_a[L::Size * L::Depth / 4];
    __shared__ float4 tile_b[L::Size * L::Depth / 4];
    float *shared_a = reinterpret_cast<float*>(tile_a), *shared_b = reinterpret_cast<float*>(tile_b);
    int tiles_n = ceil_div(n, L::Size), row = int(blockIdx.x) / tiles_n * L::Size, column = int(blockIdx.x) % tiles_n * L::Size;
    wait_for_previous_kernel();
    int m = size_now(most), k = size_now(length);
    if (row >= m) return;

    float sum[4][4], part[4][4], next_a[L::Each], next_b[L::Each];
#pragma unroll
    for (int i = 0; i < 16; i++) sum[i / 4][i % 4] = part[i / 4][i % 4] = 0.0f;
    linear_any_load<MnMajorA>(next_a, a, pitch_a, row, m, 0, k);
    linear_any_load<MnMajorB>(next_b, b, pitch_b, column, n, 0, k);
    for (int depth = 0; depth < k; depth += L::Depth) {
        __syncthreads();  // everyone is done with the tiles before
        linear_any_keep<MnMajorA>(next_a, shared_a);
        linear_any_keep<MnMajorB>(next_b, shared_b);
        __syncthreads();
        linear_any_load<MnMajorA>(next_a, a, pitch_a, row, m, depth + L::Depth, k);
        linear_any_load<MnMajorB>(next_b, b, pitch_b, column, n, depth + L::Depth, k);
        linear_any_multiply(part, shared_a, shared_b);
        if ((depth + L::Depth) % L::Part != 0 && depth + L::Depth < k) continue;
#pragma unroll
        for (int i = 0; i < 16; i++) {
            sum[i / 4][i % 4] += part[i / 4][i % 4];
            part[i / 4][i % 4] = 0.0f;
        }
    }
    let_next_kernel_start();
    row += int(threadIdx.x) / 16 * 4;
    column += int(threadIdx.x) % 16 * 4;
    decltype(store.ask(0, 0)) asked[4][2];
#pragma unroll
    for (int i = 0; i < 8; i++)
        if (row + i / 2 < m && column + i % 2 * 2 < n) asked[i / 2][i % 2] = store.ask(row + i / 2, column + i % 2 * 2);
#pragma unroll
    for (int i = 0; i < 8; i++)
        if (row + i / 2 < m && column + i % 2 * 2 < n) store(row + i / 2, column + i % 2 * 2, sum[i / 2][i % 2 * 2], sum[i / 2][i % 2 * 2 + 1], asked[i / 2][i % 2]);
}
