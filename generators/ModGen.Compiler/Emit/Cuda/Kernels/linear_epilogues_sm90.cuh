// Epilogues of linear_sm90: what becomes of a warpgroup's 64 x Columns accumulators.

// Stores a warpgroup's tile as bfloat16 through shared memory and TMA, two panels of 64 columns at a time. `map` has boxes
// {64, 64}, 128-byte swizzle. The scratch (16 KB) is written again only when the stores before have read it.
constexpr int StoreStaging = 2 * 64 * 64 * 2;

template <int Columns>
__device__ __forceinline__ void store_tile(const float (&acc)[Columns / 2], const TensorMap& map, int row, int column,
                                           unsigned char* staging, int warpgroup, int thread) {
    int lane = thread % 32, my_row = thread / 32 * 16 + (lane & 15), my_chunk = lane >> 4;
    u32 base = shared_address(staging);
#pragma unroll
    for (int panel = 0; panel < Columns / 64; panel++) {
        if (panel % 2 == 0) {
            if (thread == 0) store_wait_read<0>();
            named_barrier(1 + warpgroup, 128);
        }
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            int j = panel * 32 + pair * 8;
            store_matrices(base + panel % 2 * 8192 + swizzled(my_row, pair * 2 + my_chunk),
                           pack(acc[j], acc[j + 1]), pack(acc[j + 2], acc[j + 3]), pack(acc[j + 4], acc[j + 5]), pack(acc[j + 6], acc[j + 7]));
        }
        if (panel % 2 == 1 || panel == Columns / 64 - 1) {
            async_proxy_fence();
            named_barrier(1 + warpgroup, 128);
            if (thread == 0) {
                store_box(map, staging, column + panel / 2 * 128, row);
                if (panel % 2 == 1) store_box(map, staging + 8192, column + panel * 64, row);
                store_commit();
            }
        }
    }
}

// The base of epilogues that end in store_tile.
struct TileStore : LinearEpilogue {
    template <class Tile> static constexpr int staging_bytes = StoreStaging;
    __device__ __forceinline__ void drain(int thread) const { if (thread == 0) store_wait<0>(); }
};

// Y = bf16(C).
struct StoreBf16 : TileStore {
    const TensorMap& y;  // (m, n) bf16
    __device__ StoreBf16(const TensorMap& y_) : y(y_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        store_tile<Tile::Columns>(acc, y, at.row, at.column, at.staging, at.warpgroup, at.thread);
    }
};

// G = C or G += C in float32, by rows of 32 columns turned through shared memory, so that whole lines of 128 bytes leave. The
// slices of a reduction come in order: the first stores (or adds, where `add` says that G holds something), the others add once
// the one before is done, so that the sum is the same in every run. `turns` holds one zero a warpgroup of a tile, and is left so.
struct AccumulateF32 : LinearEpilogue {
    static constexpr int Lead = 10;
    template <class Tile> static constexpr int staging_bytes = 4 * RowScratch;
    float* gradient;  // (m, n) f32
    u32* turns;       // (tiles, Consumers) when the reduction is sliced
    int m, n;
    bool add;
    __device__ AccumulateF32(float* gradient_, u32* turns_, int m_, int n_, bool add_) : gradient(gradient_), turns(turns_), m(m_), n(n_), add(add_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        u32* turn = turns + at.tile * Tile::Consumers + at.warpgroup;
        if (at.slice > 0) {
            if (at.thread == 0) while (load_acquire(turn) != u32(at.slice)) { }
            named_barrier(1 + at.warpgroup, 128);
        }
        int warp = at.thread / 32, lane = at.thread % 32, row = at.row + warp * 16 + lane / 8, column = at.column + lane % 8 * 4;
        float* to = gradient + i64(row) * n + column;
        bool sum = add || at.slice > 0;
#pragma unroll
        for (int part = 0; part < Tile::Columns / 32; part++) {
            float4 v[4];
            fragments_to_rows(acc + part * 16, at.staging + warp * RowScratch, v);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (row + i * 4 >= m || column + part * 32 >= n) continue;
                float4* four = reinterpret_cast<float4*>(to + i64(i) * 4 * n + part * 32);
                if (sum) add_to_global(four, v[i]);  // at a quarter of the rate of a store, but nothing waits for it
                else __stcg(four, v[i]);
            }
        }
        if (at.slices > 1) {
            __threadfence();
            named_barrier(1 + at.warpgroup, 128);
            if (at.thread == 0) store_release(turn, at.slice + 1 == at.slices ? 0u : u32(at.slice + 1));
        }
    }
};

// Slices or groups that have a matrix each: G[i] = C or G[i] += C.
struct AccumulateApart : LinearEpilogue {
    template <class Tile> static constexpr int staging_bytes = AccumulateF32::staging_bytes<Tile>;
    float* gradient;  // (slices or groups, m, n) f32
    int m, n;
    bool add;
    __device__ AccumulateApart(float* gradient_, int m_, int n_, bool add_) : gradient(gradient_), m(m_), n(n_), add(add_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], LinearPlace at, Nothing nothing) const {
        float* mine = gradient + i64(at.slice + at.group) * m * n;
        at.slice = 0;
        at.slices = 1;
        AccumulateF32(mine, nullptr, m, n, add).template apply<Tile>(acc, at, nothing);
    }
};

// A weight gradient whose slices add to it in turn or, Apart, leave a matrix each, which add_column_partials adds up.
template <bool Apart> struct WeightGradientF32 : AccumulateF32 {
    __device__ WeightGradientF32(float* gradient_, u32* turns_, int m_, int n_, bool add_) : AccumulateF32(gradient_, turns_, m_, n_, add_) { }
};
template <> struct WeightGradientF32<true> : AccumulateApart {
    __device__ WeightGradientF32(float* partials, u32*, int m_, int n_, bool) : AccumulateApart(partials, m_, n_, false) { }
};

// A store of linear_stores, by rows of 32 columns as above: n a multiple of four. What it reads is asked for Ahead parts of 32
// columns before its turn; what lies outside, inside in its stead.
template <class Store>
struct RowStore : LinearEpilogue {
    static constexpr int Ahead = 4;
    template <class Tile> static constexpr int staging_bytes = 4 * RowScratch;
    Store store;
    int m, n;
    __device__ RowStore(const Store& store_, int m_, int n_) : store(store_), m(m_), n(n_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        constexpr int Parts = Tile::Columns / 32;
        int warp = at.thread / 32, lane = at.thread % 32, row = at.row + warp * 16 + lane / 8, column = at.column + lane % 8 * 4;
        decltype(store.ask_quad(0, 0)) asked[Ahead][4];
        auto ask = [&](int part) {
#pragma unroll
            for (int i = 0; i < 4; i++) asked[part % Ahead][i] = store.ask_quad(minimum(row + i * 4, m - 1), minimum(column + part * 32, n - 4));
        };
#pragma unroll
        for (int part = 0; part < minimum(Ahead, Parts); part++) ask(part);
#pragma unroll
        for (int part = 0; part < Parts; part++) {
            float4 v[4];
            fragments_to_rows(acc + part * 16, at.staging + warp * RowScratch, v);
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (row + i * 4 < m && column + part * 32 < n) store.store_quad(row + i * 4, column + part * 32, v[i], asked[part % Ahead][i]);
            if (part + Ahead < Parts) ask(part + Ahead);
        }
    }
};
