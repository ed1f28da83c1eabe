// Epilogues of linear_sm90 that do a neighbour's work while the accumulators are still in registers: rotary embedding, SwiGLU
// forward and backward. (The residual is better added by the norm that reads it, and a routed sum by a kernel of its own: fused
// into the product either waits for the stream's float32 rows at the end of each tile.)

// Rotary embedding (rotate-half) of the query and key heads, the first RotatedColumns, then bfloat16.
// The angles are fetched before the product for heads of 64; for wider ones there are not the registers.
template <int Head, int RotatedColumns>
struct RotaryStore : TileStore {
    const TensorMap& y;     // (m, n) bf16
    const int* positions;   // (m)
    const float4* table;    // (positions, Head / 4): cos, sin, cos, sin of two frequencies
    int m;
    struct Angles { float4 a[2][Head / 16]; };
    __device__ RotaryStore(const TensorMap& y_, const int* positions_, const float2* table_, int m_)
        : y(y_), positions(positions_), table(reinterpret_cast<const float4*>(table_)), m(m_) { }

    __device__ __forceinline__ Angles load(const LinearPlace& at) const {
        Angles angles;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int row = minimum(at.row + at.thread / 32 * 16 + at.thread % 32 / 4 + r * 8, m - 1);
            const float4* from = table + i64(positions[row]) * (Head / 4) + at.thread % 4;
#pragma unroll
            for (int j = 0; j < Head / 16; j++) angles.a[r][j] = __ldg(from + 4 * j);
        }
        return angles;
    }

    template <class Tile> __device__ __forceinline__ auto begin(const LinearPlace& at) const {
        if constexpr (Head <= 64) return load(at); else return Nothing{};
    }

    __device__ __forceinline__ const Angles& angles_of(const LinearPlace&, const Angles& ready) const { return ready; }
    __device__ __forceinline__ Angles angles_of(const LinearPlace& at, Nothing) const { return load(at); }

    template <class Tile, class Ready> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, const Ready& ready) const {
        static_assert(Tile::Columns % Head == 0 && Head % 16 == 0 && RotatedColumns % Head == 0, "a tile is whole heads");
        if (at.column < RotatedColumns) {
            const Angles& angles = angles_of(at, ready);
#pragma unroll
            for (int i = 0; i < Tile::Columns / 4; i += 2) {  // element i % (Head / 4) of head i / (Head / 4): 4 j + 2 r
                int head = i / (Head / 4), inside = i % (Head / 4);
                if (at.column + head * Head >= RotatedColumns) continue;
                float *x = acc + head * (Head / 2) + inside, *z = x + Head / 4;
                float4 a = angles.a[inside % 4 / 2][inside / 4];
                float x0 = x[0] * a.x - z[0] * a.y, x1 = x[1] * a.z - z[1] * a.w;
                z[0] = z[0] * a.x + x[0] * a.y;
                z[1] = z[1] * a.z + x[1] * a.w;
                x[0] = x0;
                x[1] = x1;
            }
        }
        store_tile<Tile::Columns>(acc, y, at.row, at.column, at.staging, at.warpgroup, at.thread);
    }
};

// SwiGLU on a split tile, whose first half of columns is the gate's and second half the other branch's: H (m, F) =
// silu(gate) . up. Keep also stores both branches, which the backward pass needs. With two Buffers a store need not wait until
// the one before it has left; there is room for them beside three stages.
template <bool Keep, int Buffers = 1>
struct SwiGluStore : TileStore {
    const TensorMap& h;     // (m, F) bf16
    const TensorMap& gate;  // (m, F) bf16, pitch 2 F: the first half of the branches; Keep only
    const TensorMap& up;    // (m, F) bf16, pitch 2 F: the second half; Keep only
    static_assert(Buffers == 1 || (Buffers == 2 && Keep), "three stores a tile take turns with two buffers");
    template <class Tile> static constexpr int staging_bytes = Buffers * StoreStaging;
    __device__ SwiGluStore(const TensorMap& h_, const TensorMap& gate_, const TensorMap& up_) : h(h_), gate(gate_), up(up_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        static_assert(Tile::Split > 0, "both branches of a column are in one tile");
        constexpr int Half = Tile::Columns / 2, Count = Half / 2;  // columns, and a thread's values, of a branch
        static_assert(Half == 128 || Buffers == 1, "a store is one turn");
        using Branch = float[Count];
        Branch &gates = reinterpret_cast<Branch&>(acc[0]), &ups = reinterpret_cast<Branch&>(acc[Count]);
        auto store = [&](int turn, Branch& values, const TensorMap& map) {
            unsigned char* buffer = at.staging + (Buffers == 2 ? (at.parity + turn) % 2 * StoreStaging : 0);
            store_tile<Half, Buffers - 1>(values, map, at.row, at.column / 2, buffer, at.warpgroup, at.thread);
        };
        if constexpr (Keep) {
            store(0, gates, gate);
            store(1, ups, up);
        }
#pragma unroll
        for (int i = 0; i < Count; i++) gates[i] *= sigmoid(gates[i]) * ups[i];
        store(2, gates, h);
    }
};

// The backward of SwiGluStore on dH = C: brings the branches in through TMA while the product runs, puts their gradients in
// their place in shared memory, and stores them from there, 64 columns of both branches at a time. Each of these parts of a tile
// has a buffer of its own where Columns is 192; with 256 there is room for two, and the last two parts are fetched when the
// first two have left. The gradients may lie where the branches do.
template <int Columns>
struct SwiGluGradientStore : TileStore {
    static_assert(Columns == 192 || Columns == 256, "as many buffers as parts, or two for four parts");
    const TensorMap& d_gate;  // (m, F) bf16, pitch 2 F, box {64, 64}
    const TensorMap& d_up;    // the same of the second half
    const TensorMap& gate;    // (m, F) bf16, pitch 2 F, box {64, 64}
    const TensorMap& up;      // the same of the second half
    static constexpr int Parts = Columns / 64, Buffers = Parts == 4 ? 2 : Parts, Branch = 64 * 64 * 2, Buffer = 2 * Branch;
    template <class Tile> static constexpr int staging_bytes = Buffers * Buffer + 1024;
    __device__ SwiGluGradientStore(const TensorMap& d_gate_, const TensorMap& d_up_, const TensorMap& gate_, const TensorMap& up_)
        : d_gate(d_gate_), d_up(d_up_), gate(gate_), up(up_) { }

    static __device__ __forceinline__ u64* barrier_of(unsigned char* staging, int buffer) { return reinterpret_cast<u64*>(staging + Buffers * Buffer) + buffer; }

    __device__ __forceinline__ void setup(unsigned char* staging) const {
        for (int i = 0; i < Buffers; i++) barrier_init(barrier_of(staging, i), 1);
    }

    __device__ __forceinline__ void fetch(const LinearPlace& at, int part) const {
        unsigned char* to = at.staging + part % Buffers * Buffer;
        u64* barrier = barrier_of(at.staging, part % Buffers);
        barrier_expect(barrier, Buffer);
        copy_box(to, gate, barrier, at.column + part * 64, at.row);
        copy_box(to + Branch, up, barrier, at.column + part * 64, at.row);
    }

    template <class Tile> __device__ __forceinline__ Nothing begin(const LinearPlace& at) const {
        static_assert(Tile::Columns == Columns, "the store is made for the tile");
        if (at.thread == 0) {
            store_wait_read<0>();
            for (int part = 0; part < Buffers; part++) fetch(at, part);
        }
        return {};
    }

    // Gradients for branches, of 32 columns from the group-th eight on. All are read before any is written, or each would wait for
    // the one before, as far as the compiler can tell.
    static __device__ __forceinline__ void differentiate(unsigned char* buffer, int thread, const float* d, int group) {
        u32 *at[8], gates[8], ups[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            int row = thread / 32 * 16 + thread % 32 / 4 + i % 2 * 8;
            at[i] = reinterpret_cast<u32*>(buffer + swizzled(row, group + i / 2) + thread % 4 * 4);
            gates[i] = *at[i];
            ups[i] = at[i][Branch / 4];
        }
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float g[2] = {low_half(gates[i]), high_half(gates[i])}, u[2] = {low_half(ups[i]), high_half(ups[i])};
#pragma unroll
            for (int e = 0; e < 2; e++) {
                float s = sigmoid(g[e]), silu = g[e] * s, dh = d[i * 2 + e];
                g[e] = dh * u[e] * (s + silu * (1.0f - s));
                u[e] = dh * silu;
            }
            gates[i] = pack(g[0], g[1]);
            ups[i] = pack(u[0], u[1]);
        }
#pragma unroll
        for (int i = 0; i < 8; i++) {
            at[i][0] = gates[i];
            at[i][Branch / 4] = ups[i];
        }
    }

    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
#pragma unroll
        for (int part = 0; part < Parts; part++) {
            unsigned char* buffer = at.staging + part % Buffers * Buffer;
            barrier_wait(barrier_of(at.staging, part % Buffers), Parts > Buffers ? part / 2 : at.parity);
#pragma unroll
            for (int half = 0; half < 2; half++) differentiate(buffer, at.thread, acc + part * 32 + half * 16, half * 4);
            async_proxy_fence();
            named_barrier(1 + at.warpgroup, 128);
            if (at.thread == 0) {
                store_box(d_gate, buffer, at.column + part * 64, at.row);
                store_box(d_up, buffer + Branch, at.column + part * 64, at.row);
                store_commit();
                if (part + Buffers < Parts) {
                    store_wait_read<0>();
                    fetch(at, part + Buffers);
                }
            }
        }
    }
};
