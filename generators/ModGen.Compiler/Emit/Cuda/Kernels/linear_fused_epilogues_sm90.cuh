// Epilogues of linear_sm90 that do a neighbour's work while the accumulators are still in registers: rotary embedding, SwiGLU
// forward and backward, and the residual or routed sum into the float32 stream.

// Rotary embedding (rotate-half) of the query and key heads, then bfloat16. `table` (Length, Head / 2) holds cosine and sine
// of each position and frequency. Row i of the batch is at position (Gathered ? rows[i] : i) % Length.
// The angles are fetched before the product for heads of 64; for wider ones there are not the registers.
template <int Head, int Length, int RotatedColumns, bool Gathered>
struct RotaryStore : TileStore {
    const TensorMap& y;   // (m, n) bf16
    const float4* table;  // (Length, Head / 4): cos, sin, cos, sin of two frequencies
    const int* rows;      // (m) row of the stream; Gathered only
    int m;
    struct Angles { float4 a[2][Head / 16]; };
    __device__ RotaryStore(const TensorMap& y_, const float4* table_, const int* rows_, int m_) : y(y_), table(table_), rows(rows_), m(m_) { }

    __device__ __forceinline__ Angles load(const LinearPlace& at) const {
        Angles angles;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int row = minimum(at.row + at.thread / 32 * 16 + at.thread % 32 / 4 + r * 8, m - 1);
            const float4* from = table + i64((Gathered ? rows[row] : row) % Length) * (Head / 4) + at.thread % 4;
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

// SwiGLU over columns that alternate in eights, eight of the gate and then the eight of the other branch at the same place:
// H (m, n / 2) = silu(gate) . up. Keep also stores both branches, which the backward pass needs.
template <bool Keep>
struct SwiGluStore : TileStore {
    const TensorMap& h;         // (m, n / 2) bf16
    const TensorMap& branches;  // (m, n) bf16; Keep only
    __device__ SwiGluStore(const TensorMap& h_, const TensorMap& branches_) : h(h_), branches(branches_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        if constexpr (Keep) store_tile<Tile::Columns>(acc, branches, at.row, at.column, at.staging, at.warpgroup, at.thread);
        float out[Tile::Columns / 4];
#pragma unroll
        for (int j = 0; j < Tile::Columns / 16; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) out[4 * j + i] = acc[8 * j + i] * sigmoid(acc[8 * j + i]) * acc[8 * j + 4 + i];
        store_tile<Tile::Columns / 2>(out, h, at.row, at.column / 2, at.staging, at.warpgroup, at.thread);
    }
};

// The backward of SwiGluStore on dH = C: brings the branches in through TMA while the product runs, puts their gradients in
// their place in shared memory, and stores them from there. Two buffers of 128 columns (of the branches) a warpgroup.
struct SwiGluGradientStore : TileStore {
    const TensorMap& gradients;  // (m, 2 n) bf16, box {64, 64}
    const TensorMap& branches;   // (m, 2 n) bf16, box {64, 64}
    static constexpr int Buffer = 2 * 64 * 64 * 2;
    template <class Tile> static constexpr int staging_bytes = 2 * Buffer + 1024;
    __device__ SwiGluGradientStore(const TensorMap& gradients_, const TensorMap& branches_) : gradients(gradients_), branches(branches_) { }

    static __device__ __forceinline__ u64* barrier_of(unsigned char* staging, int buffer) { return reinterpret_cast<u64*>(staging + 2 * Buffer) + buffer; }

    __device__ __forceinline__ void setup(unsigned char* staging) const {
        barrier_init(barrier_of(staging, 0), 1);
        barrier_init(barrier_of(staging, 1), 1);
    }

    __device__ __forceinline__ void fetch(const LinearPlace& at, int part) const {
        unsigned char* to = at.staging + part % 2 * Buffer;
        u64* barrier = barrier_of(at.staging, part % 2);
        barrier_expect(barrier, Buffer);
        copy_box(to, branches, barrier, 2 * at.column + part * 128, at.row);
        copy_box(to + Buffer / 2, branches, barrier, 2 * at.column + part * 128 + 64, at.row);
    }

    template <class Tile> __device__ __forceinline__ Nothing begin(const LinearPlace& at) const {
        static_assert(Tile::Columns == 256, "four parts, so that each buffer's barrier ends a tile in the phase it began it");
        if (at.thread == 0) {
            store_wait_read<0>();
            fetch(at, 0);
            fetch(at, 1);
        }
        return {};
    }

    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        int lane = at.thread % 32;
#pragma unroll
        for (int part = 0; part < 4; part++) {
            unsigned char* buffer = at.staging + part % 2 * Buffer;
            barrier_wait(barrier_of(at.staging, part % 2), part / 2);
#pragma unroll
            for (int i = 0; i < 16; i++) {  // eight columns of H at a time, in two rows each
                int group = i / 2, row = at.thread / 32 * 16 + lane / 4 + i % 2 * 8, chunk = group % 4 * 2;
                unsigned char* place = buffer + group / 4 * (Buffer / 2) + lane % 4 * 4;
                u32 *gate_at = reinterpret_cast<u32*>(place + swizzled(row, chunk)), *up_at = reinterpret_cast<u32*>(place + swizzled(row, chunk + 1));
                const float* d = acc + part * 32 + group * 4 + 2 * (i % 2);
                float gates[2] = {low_half(*gate_at), high_half(*gate_at)}, ups[2] = {low_half(*up_at), high_half(*up_at)};
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float s = sigmoid(gates[e]), silu = gates[e] * s;
                    gates[e] = d[e] * ups[e] * (s + silu * (1.0f - s));
                    ups[e] = d[e] * silu;
                }
                *gate_at = pack(gates[0], gates[1]);
                *up_at = pack(ups[0], ups[1]);
            }
            async_proxy_fence();
            named_barrier(1 + at.warpgroup, 128);
            if (at.thread == 0) {
                store_box(gradients, buffer, 2 * at.column + part * 128, at.row);
                store_box(gradients, buffer + Buffer / 2, 2 * at.column + part * 128 + 64, at.row);
                store_commit();
                if (part < 2) {
                    store_wait_read<0>();
                    fetch(at, part + 2);
                }
            }
        }
    }
};

enum class Gate { None, Identity, Sigmoid, Tanh };

template <Gate Kind>
__device__ __forceinline__ float gate_of(float score) {
    if constexpr (Kind == Gate::None) return 1.0f;
    if constexpr (Kind == Gate::Identity) return score;
    if constexpr (Kind == Gate::Sigmoid) return sigmoid(score);
    return 2.0f * sigmoid(2.0f * score) - 1.0f;
}

// The end of a block, x' = x + g(r) . (a + m) with m = C: into the float32 stream, at the selected rows of a routed block.
// No row comes twice, so nothing is added to by two threads. Routed also keeps f = a + m, which the router's gradient needs.
template <Gate Kind, bool Routed>
struct ResidualAdd : LinearEpilogue {
    float* x;              // (rows of the stream, n) f32
    const bf16* attention; // (m, n) bf16: a
    bf16* added;           // (m, n) bf16: f; Routed only
    const int* selected;   // (m) row of the stream; Routed only
    const float* scores;   // (rows of the stream) f32: r; Routed only
    int m, n;
    __device__ ResidualAdd(float* x_, const bf16* attention_, bf16* added_, const int* selected_, const float* scores_, int m_, int n_)
        : x(x_), attention(attention_), added(added_), selected(selected_), scores(scores_), m(m_), n(n_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing) const {
        int lane = at.thread % 32, odd = lane & 1;
        int row = at.row + at.thread / 32 * 16 + lane / 4 + odd * 8, column = at.column + (lane & 2) * 2;
        bool inside = row < m;
        int stream = inside ? (Routed ? selected[row] : row) : 0;
        float gate = Routed && inside ? gate_of<Kind>(scores[stream]) : 1.0f;
        float4* to = reinterpret_cast<float4*>(x + i64(stream) * n + column);
        i64 compact = (i64(row) * n + column) / 4;
        constexpr int Batch = 8;  // loads in flight
#pragma unroll
        for (int first = 0; first < Tile::Columns / 8; first += Batch) {
            float4 old[Batch];
            uint2 a[Batch];
#pragma unroll
            for (int i = 0; i < Batch; i++) {
                bool here = inside && column + (first + i) * 8 < n;
                old[i] = here ? __ldcs(to + (first + i) * 2) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
                a[i] = here ? __ldcs(reinterpret_cast<const uint2*>(attention) + compact + (first + i) * 2) : make_uint2(0u, 0u);
            }
#pragma unroll
            for (int i = 0; i < Batch; i++) {
                const float* d = acc + 4 * (first + i);
                float sent0 = __shfl_xor_sync(0xffffffffu, odd ? d[0] : d[2], 1), sent1 = __shfl_xor_sync(0xffffffffu, odd ? d[1] : d[3], 1);
                float4 f = make_float4((odd ? sent0 : d[0]) + low_half(a[i].x), (odd ? sent1 : d[1]) + high_half(a[i].x),
                                       (odd ? d[2] : sent0) + low_half(a[i].y), (odd ? d[3] : sent1) + high_half(a[i].y));
                if (!inside || column + (first + i) * 8 >= n) continue;
                if constexpr (Routed) reinterpret_cast<uint2*>(added)[compact + (first + i) * 2] = make_uint2(pack(f.x, f.y), pack(f.z, f.w));
                __stcs(to + (first + i) * 2, make_float4(old[i].x + gate * f.x, old[i].y + gate * f.y, old[i].z + gate * f.z, old[i].w + gate * f.w));
            }
        }
    }
};
