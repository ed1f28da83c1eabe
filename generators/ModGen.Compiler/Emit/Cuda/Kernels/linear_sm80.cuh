// The matrix products of linear_sm90 for every GPU from Ampere on: C (m x n) = A (m x k) . B (k x n), bfloat16 in, float32
// accumulation, the same three layouts (k-major or mn-major operands) and no transposed copies.
//
// A block of eight warps makes 128 x Columns of C (a warp 64 x Columns / 4) from a ring of 64-deep tiles filled by cp.async.
// Shared rows are 128 bytes; the 16-byte chunks of a row are permuted by its number, so that neither the copies nor ldmatrix
// meet in a bank. A warp's 64 x 64 results leave no registers to read fragments ahead; the other warps fill the gap.
//
// Operands are plain row-major pointers with rows of a multiple of 8 elements. Launch: 256 threads, a block a tile,
// Stages * (128 + Columns) * 128 bytes of shared memory.

template <int Columns_, bool MnMajorA_, bool MnMajorB_, int Stages_ = 4, int GroupRows_ = 8>
struct LinearTile80 {
    static constexpr int Rows = 128, Columns = Columns_, Depth = 64, Stages = Stages_, Threads = 256, GroupRows = GroupRows_;
    static constexpr bool MnMajorA = MnMajorA_, MnMajorB = MnMajorB_;
    static constexpr int BytesA = Rows * 128, BytesB = Columns * 128, WarpColumns = Columns / 4;
    static_assert(Columns == 128 || Columns == 256, "four warps across, whole 64-element panels");
};

// Byte offset in a tile of 64-element panels of 128-byte rows.
template <int PanelRows>
__device__ __forceinline__ u32 panel_offset(int panel, int row, int chunk) { return u32(panel * PanelRows * 128 + row * 128 + ((chunk ^ (row & 7)) << 4)); }

// One stage of an operand: Size output elements by 64 reduction elements, from a row-major matrix. Mn-major: (reduction, output)
// with rows of `pitch` elements; k-major: (output, reduction).
template <int Size, bool MnMajor, int Threads>
__device__ __forceinline__ void linear_copy(u32 to, const bf16* from, int pitch, int output, int outputs, int depth, int depths) {
    constexpr int Chunks = Size * 8;  // of 16 bytes
#pragma unroll
    for (int i = 0; i < Chunks / Threads; i++) {
        int c = i * Threads + int(threadIdx.x);
        if constexpr (MnMajor) {
            int row = c / (Size / 8), across = c % (Size / 8), o = output + across * 8, d = depth + row;
            copy_async(to + panel_offset<64>(across / 8, row, across % 8), from + i64(d) * pitch + o, o < outputs && d < depths);
        } else {
            int row = c / 8, chunk = c % 8, o = output + row, d = depth + chunk * 8;
            copy_async(to + panel_offset<Size>(0, row, chunk), from + i64(o) * pitch + d, o < outputs && d < depths);
        }
    }
}

// The A fragment of 16 rows from `row`, 16 reduction steps from 16 * step.
template <bool MnMajor, int Size>
__device__ __forceinline__ void linear_fragment_a(u32 (&a)[4], u32 tile, int row, int step) {
    int lane = int(threadIdx.x) % 32;
    if constexpr (MnMajor) {  // stored as (reduction, output): transposed on the way
        int depth = step * 16 + (lane & 7) + (lane >> 4) * 8, output = row + (lane >> 3 & 1) * 8;
        load_matrices_transposed(tile + panel_offset<64>(output / 64, depth, output % 64 / 8), a);
    } else {
        load_matrices(tile + panel_offset<Size>(0, row + (lane & 15), step * 2 + (lane >> 4)), a);
    }
}

// Two B fragments: 16 columns from `column`, as {b0, b1} of the first eight and of the second eight.
template <bool MnMajor, int Size>
__device__ __forceinline__ void linear_fragment_b(u32 (&b)[4], u32 tile, int column, int step) {
    int lane = int(threadIdx.x) % 32;
    if constexpr (MnMajor) {
        int depth = step * 16 + (lane & 15), output = column + (lane >> 4) * 8;
        load_matrices_transposed(tile + panel_offset<64>(output / 64, depth, output % 64 / 8), b);
    } else {
        load_matrices(tile + panel_offset<Size>(0, column + (lane & 7) + (lane >> 4) * 8, step * 2 + (lane >> 3 & 1)), b);
    }
}

// Calls store(row, column, c0, c1) for each pair of neighbouring results inside (m, n).
template <class Tile, class Store>
__device__ __forceinline__ void linear_sm80(const bf16* a, int pitch_a, const bf16* b, int pitch_b, int m, int n, int k, const Store& store) {
    extern __shared__ __align__(1024) unsigned char linear_memory[];
    constexpr int StageBytes = Tile::BytesA + Tile::BytesB, Across = Tile::WarpColumns / 8;
    int tiles_m = ceil_div(m, Tile::Rows), tiles_n = ceil_div(n, Tile::Columns), in_group = Tile::GroupRows * tiles_n;
    int group = int(blockIdx.x) / in_group, inside = int(blockIdx.x) - group * in_group, height = minimum(Tile::GroupRows, tiles_m - group * Tile::GroupRows);
    int column = inside / height * Tile::Columns, row = (group * Tile::GroupRows + inside % height) * Tile::Rows;
    int warp = int(threadIdx.x) / 32, warp_row = warp / 4 * 64, warp_column = warp % 4 * Tile::WarpColumns, lane = int(threadIdx.x) % 32;
    int steps = ceil_div(k, Tile::Depth);
    u32 memory = shared_address(linear_memory);
    float acc[4][Across][4];
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < Across; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) acc[i][j][e] = 0.0f;

    wait_for_previous_kernel();
    auto fill = [&](int step) {
        u32 to = memory + u32(step % Tile::Stages * StageBytes);
        if (step < steps) {
            linear_copy<Tile::Rows, Tile::MnMajorA, Tile::Threads>(to, a, pitch_a, row, m, step * Tile::Depth, k);
            linear_copy<Tile::Columns, Tile::MnMajorB, Tile::Threads>(to + Tile::BytesA, b, pitch_b, column, n, step * Tile::Depth, k);
        }
        copy_async_commit();
    };
#pragma unroll
    for (int s = 0; s < Tile::Stages - 1; s++) fill(s);
    for (int step = 0; step < steps; step++) {
        copy_async_wait<Tile::Stages - 2>();
        __syncthreads();  // this stage is there, and everyone is done with the one before, which is filled again
        fill(step + Tile::Stages - 1);
        u32 tile = memory + u32(step % Tile::Stages * StageBytes);
#pragma unroll
        for (int s = 0; s < 4; s++) {
            u32 fa[4][4], fb[Across / 2][4];
#pragma unroll
            for (int i = 0; i < 4; i++) linear_fragment_a<Tile::MnMajorA, Tile::Rows>(fa[i], tile, warp_row + i * 16, s);
#pragma unroll
            for (int j = 0; j < Across / 2; j++) linear_fragment_b<Tile::MnMajorB, Tile::Columns>(fb[j], tile + Tile::BytesA, warp_column + j * 16, s);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < Across; j++) multiply_16x8x16(acc[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
        }
    }
    copy_async_wait<0>();
    let_next_kernel_start();
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < Across; j++) {
            int r = row + warp_row + i * 16 + lane / 4, c = column + warp_column + j * 8 + lane % 4 * 2;
            if (c >= n) continue;
            if (r < m) store(r, c, acc[i][j][0], acc[i][j][1]);
            if (r + 8 < m) store(r + 8, c, acc[i][j][2], acc[i][j][3]);
        }
}

struct StoreBf16Plain {
    bf16* y;  // (m, n) bf16
    int n;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const {
        *reinterpret_cast<u32*>(y + i64(row) * n + column) = pack(c0, c1);
    }
};

// G = C or, with `add`, G += C, in float32.
struct AccumulateF32Plain {
    float* gradient;  // (m, n) f32
    int n;
    bool add;
    __device__ __forceinline__ void operator()(int row, int column, float c0, float c1) const {
        float2* to = reinterpret_cast<float2*>(gradient + i64(row) * n + column);
        float2 old = add ? *to : make_float2(0.0f, 0.0f);
        *to = make_float2(old.x + c0, old.y + c1);
    }
};
