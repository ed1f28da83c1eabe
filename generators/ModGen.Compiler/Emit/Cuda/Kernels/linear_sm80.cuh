// The matrix products of linear_any in bfloat16 on the tensor cores of every GPU from Ampere on (mma.sync): C (m x n) =
// A (m x k) . B (k x n), float32 accumulation, the same three layouts (k-major or mn-major operands) and no transposed copies.
//
// A block makes tiles of 128 x Columns, a warp 64 x (Columns / half the warps) of it, from a ring of 64-deep stages filled by
// cp.async. A warp reads its fragments of the next 16 steps, and its part of a stage to come is asked for, between the products
// of the present ones. The ring runs on into the next tile, so that its first stages arrive while results are stored.
// Shared rows are 128 bytes; the 16-byte chunks of a row are permuted by its number, so that neither the copies nor ldmatrix
// meet in a bank, and a step along the tile is an exclusive-or with, or an addition of, a constant.
//
// Operands have rows of a multiple of 8 elements and start on 16 bytes; n and k (m and k where A is mn-major) are multiples
// of 8, but for k where it counts rows. m or k may be Rows. A reduction may be cut into slices, whose sums are stored in turn,
// in order, so that every run gives the same: the store must then be Accumulate, and `turns` holds a zero a tile, and is left so.
// Slices of 0 divide the steps of all tiles evenly among the blocks, so that a tile is begun by one and ended by another: for few
// tiles whose operands fit in the second-level cache, since blocks are then at different depths of them.
//
// Launch: Tile::Threads threads, Tile::SharedBytes of dynamic shared memory, and a block a tile and slice, or fewer, as many
// as run at once (processors * Tile::Blocks). Families: prelude sm80 linear_stores linear_sm80.

template <int Columns_, bool MnMajorA_, bool MnMajorB_, int Stages_ = 4, int GroupRows_ = 8, int Threads_ = 256, int Lead_ = Columns_ == 256 ? 7 : 10>
struct LinearTile80 {
    static constexpr int Rows = 128, Columns = Columns_, Depth = 64, Stages = Stages_, Threads = Threads_, GroupRows = GroupRows_;
    static constexpr bool MnMajorA = MnMajorA_, MnMajorB = MnMajorB_;
    static constexpr int BytesA = Rows * 128, BytesB = Columns * 128, StageBytes = BytesA + BytesB, RingBytes = Stages * StageBytes;
    static constexpr int SharedBytes = RingBytes + Threads / 32 * RowScratch;
    static constexpr int WarpColumns = Columns / (Threads / 64), Blocks = 256 / Threads;
    static constexpr int Lead = Lead_;  // steps in the time that one slice hands over to the next
    static_assert(WarpColumns == 16 || WarpColumns == 32 || WarpColumns == 64, "a warp's columns lie in one panel of 64");
    static_assert(Stages >= 3 && SharedBytes * Blocks <= 227 * 1024, "the ring fits in shared memory");
};

// This thread's share of the copies of an operand's stages: Size outputs by 64 reduction steps, in tiles of 64-element panels of
// 128-byte rows. Mn-major: a row a reduction step, panels of outputs; k-major: a row an output, one panel.
template <int Size, bool MnMajor, int Threads>
struct LinearCopy80 {
    static constexpr int Across = MnMajor ? Size / 8 : 8, Stride = Threads / Across, Count = Size * 8 / Threads;
    static_assert(Threads % Across == 0 && Stride % 8 == 0, "a thread's chunks are in one column, and permuted alike");
    const bf16* from;
    u32 to;
    int pitch, rows, chunk_left;  // rows left from this thread's first; where chunk_left is not positive all is outside

    __device__ __forceinline__ LinearCopy80(const bf16* operand, int pitch_, int output, int outputs, int depth, int depths) : pitch(pitch_) {
        int row = int(threadIdx.x) / Across, across = int(threadIdx.x) % Across;
        int first = MnMajor ? depth : output, second = (MnMajor ? output : depth) + across * 8;
        from = operand + i64(first + row) * pitch + second;
        to = u32(across / 8 * 8192 + row * 128 + ((across % 8 ^ (row & 7)) << 4));
        rows = (MnMajor ? depths : outputs) - first - row;
        chunk_left = (MnMajor ? outputs : depths) - second;
    }
    __device__ __forceinline__ void copy(int i, u32 stage) const {
        copy_async(stage + to + i * Stride * 128, from + i64(i) * Stride * pitch, chunk_left > 0 && i * Stride < rows);
    }
    __device__ __forceinline__ void advance() {
        from += MnMajor ? i64(64) * pitch : 64;
        (MnMajor ? rows : chunk_left) -= 64;
    }
};

// Where this lane finds fragments in an operand's tile: of 16 outputs from first + 16 * i, 16 reduction steps from 16 * step. What
// load gives is, of A, the fragment of mma.m16n8k16 and, of B, {b0, b1} of the first eight outputs and of the second.
template <bool MnMajor, bool IsA>
struct LinearFragments80 {
    u32 at;

    __device__ __forceinline__ explicit LinearFragments80(int first) {
        int lane = int(threadIdx.x) % 32, low = lane & 7, middle = lane >> 3 & 1, high = lane >> 4;
        if constexpr (MnMajor) at = u32(first / 64 * 8192 + (low + (IsA ? high : middle) * 8) * 128 + ((first % 64 / 8 + (IsA ? middle : high) ^ low) << 4));
        else at = u32((first + low + (IsA ? middle : high) * 8) * 128 + (((IsA ? high : middle) ^ low) << 4));
    }
    __device__ __forceinline__ void load(u32 (&v)[4], u32 tile, int i, int step) const {
        if constexpr (MnMajor) load_matrices_transposed((tile + at ^ u32(i << 5)) + u32(step * 2048), v);
        else load_matrices((tile + at ^ u32(step << 5)) + u32(i * 2048), v);
    }
};

// Which tile and which steps of the reduction, and which of the tile's `slices` these are, in the order that they are added in. In
// a grouped product (linear_grouped_sm80) of which group, and how many rows of B lie before the group's.
struct LinearUnit80 { int row, column, tile, slice, slices, step, last, group = 0, before = 0; };

// What a block makes: units[0], ... units[count - 1]. Tiles are in groups of GroupRows tile rows that are walked column by column,
// so that what runs together shares its operands in the second-level cache. With slices, units are dealt out in turn, slices
// outermost. With none the steps of all tiles stand in one line that is cut into equal shares, the last ones block 0's: the end of
// a tile is added first, by a block of a lower number, which began with it, and a block waits only for those before it.
template <class Tile>
struct LinearUnits80 {
    int m, k, tiles_m, tiles_n, steps, slices, lead, count;

    __device__ __forceinline__ LinearUnits80(int m_, int n, int k_, int slices_)
        : m(m_), k(k_), tiles_m(ceil_div(m, Tile::Rows)), tiles_n(ceil_div(n, Tile::Columns)), steps(maximum(1, ceil_div(k, Tile::Depth))), slices(minimum(slices_, steps)) {
        int upto = line() - int(blockIdx.x) * share();
        lead = slices > 1 && tiles() * slices <= int(gridDim.x) ? minimum(Tile::Lead, steps / (slices * slices)) : 0;
        if (slices > 0) count = in_turn(tiles() * slices);
        else count = upto > 0 ? (upto - 1) / steps - maximum(upto - share(), 0) / steps + 1 : 0;
    }

    __device__ __forceinline__ int tiles() const { return tiles_m * tiles_n; }
    // How many of so many units are this block's where they are dealt out in turn.
    static __device__ __forceinline__ int in_turn(int units) { return maximum(0, ceil_div(units - int(blockIdx.x), int(gridDim.x))); }

    __device__ __forceinline__ int line() const { return tiles() * steps; }
    __device__ __forceinline__ int share() const { return ceil_div(line(), int(gridDim.x)); }

    // The first step of a slice. Slices that run at once end one after the other, each as long after the one before as that takes to
    // hand over, so that none waits for its turn.
    __device__ __forceinline__ int start(int slice) const { return steps * slice / slices - lead * slice * (slices - slice) / 2; }

    // All steps of a tile.
    __device__ __forceinline__ LinearUnit80 whole(int tile) const {
        int in_group = Tile::GroupRows * tiles_n, group = tile / in_group, inside = tile - group * in_group;
        int height = minimum(Tile::GroupRows, tiles_m - group * Tile::GroupRows), column = inside / height, row = group * Tile::GroupRows + inside - column * height;
        return {row * Tile::Rows, column * Tile::Columns, tile, 0, 1, 0, steps};
    }

    __device__ __forceinline__ LinearUnit80 operator[](int i) const {
        if (slices > 0) {
            int unit = int(blockIdx.x) + i * int(gridDim.x), slice = unit / tiles();
            LinearUnit80 u = whole(unit - slice * tiles());
            u.slice = slice;
            u.slices = slices;
            u.step = start(slice);
            u.last = start(slice + 1);
            return u;
        }
        int each = share(), upto = line() - int(blockIdx.x) * each, from = maximum(upto - each, 0);
        LinearUnit80 u = whole(from / steps + i);
        int start = u.tile * steps, end = start + steps, first = (line() - end) / each;  // the block that has the end
        u.slice = int(blockIdx.x) - first;
        u.slices = (line() - 1 - start) / each - first + 1;
        u.step = maximum(from, start) - start;
        u.last = minimum(upto, end) - start;
        return u;
    }
};

// Four lanes that hold a pair each of four groups of eight columns: each gets the eight columns of the group of its number.
__device__ __forceinline__ uint4 transpose_quad(u32 p0, u32 p1, u32 p2, u32 p3) {
    bool odd = threadIdx.x & 1, upper = threadIdx.x & 2;
    u32 a = __shfl_xor_sync(0xffffffffu, odd ? p0 : p1, 1), b = __shfl_xor_sync(0xffffffffu, odd ? p2 : p3, 1);
    if (odd) { p0 = a; p2 = b; } else { p1 = a; p3 = b; }
    a = __shfl_xor_sync(0xffffffffu, upper ? p0 : p2, 2);
    b = __shfl_xor_sync(0xffffffffu, upper ? p1 : p3, 2);
    if (upper) { p0 = a; p1 = b; } else { p2 = a; p3 = b; }
    return make_uint4(p0, p1, p2, p3);
}

// Stores 16 rows of 32 columns of a warp's accumulators as bfloat16, 64 bytes of a row at a time.
template <class Store>
__device__ __forceinline__ void linear_store_packed_80(const float (&d)[4][4], int row, int column, int m, int n, const Store& store) {
    int quad = int(threadIdx.x) % 4, mine = column + quad * 8;
    u32 pairs[2][4];
#pragma unroll
    for (int j = 0; j < 8; j++) {
        int c = column + j / 2 * 8 + quad * 2;
        decltype(store.ask(0, 0)) asked{};
        if (c < n) asked = store.ask(row, c);
        pairs[j % 2][j / 2] = store.packed(d[j / 2][j % 2 * 2], d[j / 2][j % 2 * 2 + 1], asked);
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        uint4 eight = transpose_quad(pairs[half][0], pairs[half][1], pairs[half][2], pairs[half][3]);
        if (row + half * 8 < m && mine < n) *reinterpret_cast<uint4*>(store.y + i64(row + half * 8) * n + mine) = eight;
    }
}

// Stores a warp's accumulators as float4, 16 rows of 32 columns at a time.
template <int Across, class Store>
__device__ __forceinline__ void linear_store_quads_80(const float (&acc)[4][Across][4], int row, int column, int m, int n, const Store& store, unsigned char* scratch) {
    int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int part = 0; part < Across; part++) {
        int r = row + part / (Across / 4) * 16 + lane / 8, c = column + part % (Across / 4) * 32 + lane % 8 * 4;
        float4 v[4];
        decltype(store.ask_quad(0, 0)) asked[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (r + i * 4 < m && c < n) asked[i] = store.ask_quad(r + i * 4, c);
        fragments_to_rows(reinterpret_cast<const float*>(acc[part / (Across / 4)][part % (Across / 4) * 4]), scratch, v);
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (r + i * 4 < m && c < n) store.store_quad(r + i * 4, c, v[i], asked[i]);
    }
}

// Stores a warp's accumulators, 16 rows of up to 32 columns at a time.
template <int Across, class Store>
__device__ __forceinline__ void linear_store_80(const float (&acc)[4][Across][4], int row, int column, int m, int n, const Store& store, unsigned char* scratch) {
    if constexpr (Store::Quads && Across % 4 == 0) return linear_store_quads_80<Across>(acc, row, column, m, n, store, scratch);
    constexpr int Some = Across < 4 ? Across : 4;
    int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int part = 0; part < 4 * Across / Some; part++) {
        int i = part / (Across / Some), first = part % (Across / Some) * Some, top = row + i * 16 + lane / 4, left = column + first * 8;
        if constexpr (Store::Packs && Some == 4) {
            linear_store_packed_80(reinterpret_cast<const float (&)[4][4]>(acc[i][first]), top, left, m, n, store);
        } else {
            decltype(store.ask(0, 0)) asked[Some * 2];
#pragma unroll
            for (int j = 0; j < Some * 2; j++) {
                int r = top + j % 2 * 8, c = left + j / 2 * 8 + lane % 4 * 2;
                if (r < m && c < n) asked[j] = store.ask(r, c);
            }
#pragma unroll
            for (int j = 0; j < Some * 2; j++) {
                int r = top + j % 2 * 8, c = left + j / 2 * 8 + lane % 4 * 2;
                const float* d = acc[i][first + j / 2] + j % 2 * 2;
                if (r < m && c < n) store(r, c, d[0], d[1], asked[j]);
            }
        }
    }
}

// All units of a product. `make` makes what hands them out, which knows m and k, once the kernel before is done.
template <class Tile, class Make, class Store>
__device__ __forceinline__ void linear_units_sm80(const bf16* a, int pitch_a, const bf16* b, int pitch_b, int n, const Make& make, const Store& store, u32* turns) {
    extern __shared__ __align__(1024) unsigned char linear_memory[];
    using CopyA = LinearCopy80<Tile::Rows, Tile::MnMajorA, Tile::Threads>;
    using CopyB = LinearCopy80<Tile::Columns, Tile::MnMajorB, Tile::Threads>;
    constexpr int Across = Tile::WarpColumns / 8, Copies = CopyA::Count + CopyB::Count;
    wait_for_previous_kernel();
    auto units = make();
    int m = units.m, k = units.k, next = 0;
    if (units.count == 0) return;

    int warp = int(threadIdx.x) / 32, warp_row = warp % 2 * 64, warp_column = warp / 2 * Tile::WarpColumns;
    LinearFragments80<Tile::MnMajorA, true> at_a(warp_row);
    LinearFragments80<Tile::MnMajorB, false> at_b(warp_column);
    u32 memory = shared_address(linear_memory), end = memory + Tile::RingBytes, read = memory, write = memory;

    // The stage to be filled next: `left` steps of unit `next` are still to be asked for, in this order.
    LinearUnit80 fill = units[next];
    auto start_b = [&](const LinearUnit80& u) {
        int columns = Tile::MnMajorB ? 0 : u.before, steps = Tile::MnMajorB ? u.before : 0;
        return CopyB(b, pitch_b, u.column + columns, n + columns, u.step * Tile::Depth + steps, k + steps);
    };
    CopyA copy_a(a, pitch_a, fill.row, m, fill.step * Tile::Depth, k);
    CopyB copy_b = start_b(fill);
    int left = fill.last - fill.step;
    auto copy = [&](int i) {
        if (i < CopyA::Count) copy_a.copy(i, write); else copy_b.copy(i - CopyA::Count, write + Tile::BytesA);
    };
    auto filled = [&] {
        copy_async_commit();
        write = write + Tile::StageBytes == end ? memory : write + Tile::StageBytes;
        copy_a.advance();
        copy_b.advance();
        if (--left > 0 || next >= units.count || ++next >= units.count) return;
        fill = units[next];
        copy_a = CopyA(a, pitch_a, fill.row, m, fill.step * Tile::Depth, k);
        copy_b = start_b(fill);
        left = fill.last - fill.step;
    };
    auto filling = [&] { return next < units.count; };

#pragma unroll
    for (int s = 0; s < Tile::Stages - 1; s++) {
        if (filling())
#pragma unroll
            for (int i = 0; i < Copies; i++) copy(i);
        filled();
    }
    u32 fa[2][4][4], fb[2][Across / 2][4];
    auto load = [&](int buffer, int i, int step) {
        at_a.load(fa[buffer][i], read, i, step);
        if (i < Across / 2) at_b.load(fb[buffer][i], read + Tile::BytesA, i, step);
    };
    copy_async_wait<Tile::Stages - 2>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 4; i++) load(0, i, 0);

    for (int unit = 0; unit < units.count; unit++) {
        LinearUnit80 at = units[unit];
        float acc[4][Across][4];
#pragma unroll
        for (int i = 0; i < 4 * Across * 4; i++) acc[i / 4 / Across][i / 4 % Across][i % 4] = 0.0f;
#pragma unroll 1  // a short reduction known at compile time would be unrolled whole, and assembled for long
        for (int step = at.step; step < at.last; step++) {
            bool ask = filling();
#pragma unroll
            for (int s = 0; s < 4; s++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    if (s < 3) {
                        load((s + 1) % 2, i, s + 1);
                        if (ask)
#pragma unroll
                            for (int c = (s * 4 + i) * Copies / 12; c < (s * 4 + i + 1) * Copies / 12; c++) copy(c);
                        if (s == 2 && i == 3) filled();
                    } else if (i > 0) {
                        if (i == 1) {  // the next stage is there, and everyone is done with this one, which is filled next
                            copy_async_wait<Tile::Stages - 2>();
                            __syncthreads();
                            read = read + Tile::StageBytes == end ? memory : read + Tile::StageBytes;
                            load(0, 0, 0);
                        }
                        load(0, i, 0);
                    }
#pragma unroll
                    for (int j = 0; j < Across; j++) multiply_16x8x16(acc[i][j], fa[s % 2][i], fb[s % 2][j / 2][j % 2 * 2], fb[s % 2][j / 2][j % 2 * 2 + 1]);
                }
            }
        }
        if (unit + 1 >= units.count) let_next_kernel_start();
        if (at.slice > 0) {
            if (threadIdx.x == 0) while (load_acquire(turns + at.tile) != u32(at.slice)) { }
            __syncthreads();
        }
        linear_store_80<Across>(acc, at.row + warp_row, at.column + warp_column, m, n, store_of_group(store_of_slice(store, at.slice), at.group, m, n),
                                linear_memory + Tile::RingBytes + warp * RowScratch);
        if (at.slices > 1) {
            __threadfence();
            __syncthreads();
            if (threadIdx.x == 0) store_release(turns + at.tile, at.slice + 1 == at.slices ? 0u : u32(at.slice + 1));
        }
    }
    copy_async_wait<0>();
}

template <class Tile, class M, class K, class Store>
__device__ __forceinline__ void linear_sm80(const bf16* a, int pitch_a, const bf16* b, int pitch_b, M most, int n, K length, const Store& store,
                                            int slices = 1, u32* turns = nullptr) {
    linear_units_sm80<Tile>(a, pitch_a, b, pitch_b, n, [&] { return LinearUnits80<Tile>(size_now(most), n, size_now(length), slices); }, store, turns);
}
