// Epilogues of linear_overlapped_sm90. What they read they may write: an element is read and written by one lane, and read first.

__device__ __forceinline__ uint4 pack_pairs(const u32 (&pairs)[4]) { return make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]); }
template <int Pairs> __device__ __forceinline__ float result(const u32 (&pairs)[Pairs], int i) { return i % 2 ? high_half(pairs[i / 2]) : low_half(pairs[i / 2]); }

// SwiGLU on a split tile: the branches (m, 2 F) are kept, gate then up, and H (m, F) = silu(gate) . up.
struct OverlappedSwiGlu : OverlappedEpilogue {
    bf16* h;         // (m, F)
    bf16* branches;  // (m, 2 F)
    int f;
    __device__ OverlappedSwiGlu(bf16* h_, bf16* branches_, int f_) : h(h_), branches(branches_), f(f_) { }
    __device__ __forceinline__ void apply(int row, int column, const u32 (&results)[2][4], Asked, bool inside) const {
        float hidden[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float gate = result(results[0], i);
            hidden[i] = gate * sigmoid(gate) * result(results[1], i);
        }
        bf16* at = branches + i64(row) * 2 * f + column;
        store_where(inside, reinterpret_cast<uint4*>(at), pack_pairs(results[0]));
        store_where(inside, reinterpret_cast<uint4*>(at + f), pack_pairs(results[1]));
        store_where(inside, reinterpret_cast<uint4*>(h + i64(row) * f + column), pack(hidden));
    }
};

// The gradient of SwiGLU's branches, C being that of its result; it may lie where the branches do.
struct OverlappedSwiGluGradient : OverlappedEpilogue {
    static constexpr int Ahead = 11;
    struct Asked { uint4 gate, up; };
    const bf16* branches;  // (m, 2 F): gate, up
    bf16* d_branches;      // (m, 2 F)
    int f;
    __device__ OverlappedSwiGluGradient(const bf16* branches_, bf16* d_branches_, int f_) : branches(branches_), d_branches(d_branches_), f(f_) { }
    __device__ __forceinline__ Asked ask(int row, int column) const {
        const bf16* at = branches + i64(row) * 2 * f + column;
        return {load_streaming(reinterpret_cast<const uint4*>(at)), load_streaming(reinterpret_cast<const uint4*>(at + f))};
    }
    __device__ __forceinline__ void apply(int row, int column, const u32 (&results)[1][4], const Asked& asked, bool inside) const {
        float gate[8], up[8];
        unpack(asked.gate, gate);
        unpack(asked.up, up);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float dh = result(results[0], i), s = sigmoid(gate[i]), silu = gate[i] * s;
            gate[i] = dh * up[i] * (s + silu * (1.0f - s));
            up[i] = dh * silu;
        }
        bf16* to = d_branches + i64(row) * 2 * f + column;
        store_where(inside, reinterpret_cast<uint4*>(to), pack(gate));
        store_where(inside, reinterpret_cast<uint4*>(to + f), pack(up));
    }
};
