// Decoding: matrix-vector products for the few rows of a decode step (Batch of them, 1 to 8). A warp owns Rows rows of the
// weights and asks for all their bytes at once, before it waits for the kernel before: weights do not depend on it, so with
// programmatic dependent launch a whole step streams weights without a gap. The norm is in the prologue (every warp sees
// the whole row, so it needs no other), rotary, cache, SwiGLU and residual are in the epilogue.
//
// Order of arrival: every kernel lets the next one start only after it has waited itself, so what was written two kernels
// ago may be read before the wait. `active` (written by the router, at least that long ago, except for the router's direct
// successor) makes a skipped block return before it has read a weight.

// Rows rows of K bf16: for i < K / 256 a lane holds elements i * 256 + lane * 8 and the seven after of each.
template <int K, int Rows>
struct DecodeWeights {
    static_assert(K % 256 == 0, "a lane reads 16 bytes of every 512");
    uint4 w[Rows][K / 256];
    __device__ __forceinline__ void load(int r, const bf16* weights, int row) {
        const uint4* from = reinterpret_cast<const uint4*>(weights + i64(row) * K) + threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < K / 256; i++) w[r][i] = load_in_place(from + i * 32);
    }

    // out[r] = the product of row r and a vector, in every lane.
    __device__ __forceinline__ void multiply(const float (&x)[K / 32], float (&out)[Rows]) const {
#pragma unroll
        for (int r = 0; r < Rows; r++) {
            float sum = 0.0f;
#pragma unroll
            for (int i = 0; i < K / 256; i++) {
                float v[8];
                unpack(w[r][i], v);
#pragma unroll
                for (int e = 0; e < 8; e++) sum = fmaf(v[e], x[8 * i + e], sum);
            }
            out[r] = warp_sum(sum);
        }
    }
};

// The vector as it is: (K) bf16.
template <int K>
__device__ __forceinline__ void decode_read(float (&x)[K / 32], const bf16* from) {
#pragma unroll
    for (int i = 0; i < K / 256; i++) {
        float v[8];
        unpack(reinterpret_cast<const uint4*>(from)[i * 32 + threadIdx.x % 32], v);
#pragma unroll
        for (int e = 0; e < 8; e++) x[8 * i + e] = v[e];
    }
}

// The vector normed: gain . x / rms(x) of (K) f32.
template <int K>
__device__ __forceinline__ void decode_norm(float (&x)[K / 32], const float* from, const float* gain, float epsilon) {
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < K / 128; i++) {
        float4 v = reinterpret_cast<const float4*>(from)[i / 2 * 64 + threadIdx.x % 32 * 2 + i % 2];
        x[4 * i] = v.x; x[4 * i + 1] = v.y; x[4 * i + 2] = v.z; x[4 * i + 3] = v.w;
        squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    float scale = rsqrtf(warp_sum(squares) * (1.0f / K) + epsilon);
#pragma unroll
    for (int i = 0; i < K / 128; i++) {
        float4 g = __ldg(reinterpret_cast<const float4*>(gain) + i / 2 * 64 + threadIdx.x % 32 * 2 + i % 2);
        x[4 * i] *= scale * g.x; x[4 * i + 1] *= scale * g.y; x[4 * i + 2] *= scale * g.z; x[4 * i + 3] *= scale * g.w;
    }
}

__device__ __forceinline__ int decode_warp() { return int(blockIdx.x) * (int(blockDim.x) / 32) + int(threadIdx.x) / 32; }

// What all of a step's kernels know of its sequences.
struct DecodeStep {
    const int* positions;  // (Batch) position of the token in its sequence, for rotary
    const int* lengths;    // (Batch) keys already in this layer's cache
    const int* active;     // one flag a block of the model, or null: every row passes through
};

struct DecodeQkv {
    const bf16* weights;   // ((Heads + 2 KeyValueHeads) Head, K) bf16
    const float* x;        // (Batch, K) f32
    const float* gain;     // (K) f32
    const float2* table;   // (Length, Head / 2): cos, sin
    bf16* q;               // (Batch, Heads Head) bf16
    bf16* keys;            // (Batch, KeyValueHeads, capacity, Head) bf16, one row written
    bf16* values;          // as keys
    DecodeStep step;
    int capacity;
    float epsilon;
};

// Norm, QKV, rotary, cache. A warp owns Pairs pairs of rows half a head apart, so that it can rotate them.
// Routed: the block's flag was written by the kernel just before, so weights wait for it.
template <int K, int Heads, int KeyValueHeads, int Head, int Pairs, int Batch, bool Routed>
__device__ __forceinline__ void decode_qkv(const DecodeQkv& p) {
    constexpr int All = (Heads + 2 * KeyValueHeads) * Head / 2;
    int pair = decode_warp() * Pairs, lane = int(threadIdx.x) % 32;
    DecodeWeights<K, 2 * Pairs> w;
    auto load = [&]() {
#pragma unroll
        for (int i = 0; i < Pairs; i++) {
            int at = minimum(pair + i, All - 1), row = at / (Head / 2) * Head + at % (Head / 2);
            w.load(2 * i, p.weights, row);
            w.load(2 * i + 1, p.weights, row + Head / 2);
        }
    };
    if constexpr (!Routed) load();
    wait_for_previous_kernel();
    let_next_kernel_start();
    if constexpr (Routed) {
        if (*p.step.active == 0) return;
        load();
    }
#pragma unroll 1
    for (int b = 0; b < Batch; b++) {
        float x[K / 32], y[2 * Pairs];
        decode_norm<K>(x, p.x + b * K, p.gain, p.epsilon);
        w.multiply(x, y);
        if (lane >= Pairs || pair + lane >= All) continue;
        float low = y[0], high = y[1];
#pragma unroll
        for (int i = 1; i < Pairs; i++) if (lane == i) { low = y[2 * i]; high = y[2 * i + 1]; }
        int head = (pair + lane) / (Head / 2), i = (pair + lane) % (Head / 2);
        if (head < Heads + KeyValueHeads) {
            float2 angle = p.table[i64(p.step.positions[b]) * (Head / 2) + i];
            float turned = low * angle.x - high * angle.y;
            high = high * angle.x + low * angle.y;
            low = turned;
        }
        bf16* to = p.q + (b * Heads + head) * Head;
        if (head >= Heads) {
            int kv = head - Heads;
            bf16* cache = kv < KeyValueHeads ? p.keys : p.values;
            to = cache + (i64(b * KeyValueHeads + kv % KeyValueHeads) * p.capacity + p.step.lengths[b]) * Head;
        }
        to[i] = to_bf16(low);
        to[i + Head / 2] = to_bf16(high);
    }
}

struct DecodeGateUp {
    const bf16* weights;  // (2 F, K) bf16, branches alternating in eights
    const float* x;       // (Batch, K) f32
    const float* gain;    // (K) f32
    bf16* h;              // (Batch, F) bf16
    const int* active;    // or null
    float epsilon;
};

// Norm, both branches of the MLP, SwiGLU.
template <int K, int F, int Pairs, int Batch>
__device__ __forceinline__ void decode_gate_up(const DecodeGateUp& p) {
    if (p.active != nullptr && *p.active == 0) { wait_for_previous_kernel(); return; }
    int pair = decode_warp() * Pairs, lane = int(threadIdx.x) % 32;
    DecodeWeights<K, 2 * Pairs> w;
#pragma unroll
    for (int i = 0; i < Pairs; i++) {
        int at = minimum(pair + i, F - 1), row = at / 8 * 16 + at % 8;
        w.load(2 * i, p.weights, row);
        w.load(2 * i + 1, p.weights, row + 8);
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
#pragma unroll 1
    for (int b = 0; b < Batch; b++) {
        float x[K / 32], y[2 * Pairs];
        decode_norm<K>(x, p.x + b * K, p.gain, p.epsilon);
        w.multiply(x, y);
#pragma unroll
        for (int i = 0; i < Pairs; i++)
            if (lane == i && pair + i < F) p.h[b * F + pair + i] = to_bf16(y[2 * i] * sigmoid(y[2 * i]) * y[2 * i + 1]);
    }
}

struct DecodeResidual {
    const bf16* weights;  // (N, K) bf16
    const bf16* input;    // (Batch, K) bf16
    const float* x;       // (Batch, N) f32: the stream before the block
    const float* sum;     // (Batch, N) f32: what is added to; x itself for attention, x + a for the MLP
    float* out;           // (Batch, N) f32
    const float* scores;  // (Batch) f32, Gated only
    const int* active;    // or null
};

// out = sum + W input; Gated: out = x + g(r) (sum - x + W input), the end of a routed block.
template <int K, int N, int Rows, int Batch, bool Gated>
__device__ __forceinline__ void decode_residual(const DecodeResidual& p) {
    if (p.active != nullptr && *p.active == 0) { wait_for_previous_kernel(); return; }
    int row = decode_warp() * Rows, lane = int(threadIdx.x) % 32;
    DecodeWeights<K, Rows> w;
#pragma unroll
    for (int r = 0; r < Rows; r++) w.load(r, p.weights, minimum(row + r, N - 1));
    wait_for_previous_kernel();
    let_next_kernel_start();
#pragma unroll 1
    for (int b = 0; b < Batch; b++) {
        float x[K / 32], y[Rows];
        decode_read<K>(x, p.input + b * K);
        w.multiply(x, y);
#pragma unroll
        for (int r = 0; r < Rows; r++) {
            if (lane != r || row + r >= N) continue;
            int at = b * N + row + r;
            if constexpr (Gated) p.out[at] = p.x[at] + p.scores[b] * (p.sum[at] - p.x[at] + y[r]);
            else p.out[at] = p.sum[at] + y[r];
        }
    }
}

// Norm and the vocabulary's logits (Batch, V) f32.
template <int K, int V, int Rows, int Batch>
__device__ __forceinline__ void decode_logits(const bf16* weights, const float* x_in, const float* gain, float* logits, float epsilon) {
    int row = decode_warp() * Rows, lane = int(threadIdx.x) % 32;
    DecodeWeights<K, Rows> w;
#pragma unroll
    for (int r = 0; r < Rows; r++) w.load(r, weights, minimum(row + r, V - 1));
    wait_for_previous_kernel();
    let_next_kernel_start();
#pragma unroll 1
    for (int b = 0; b < Batch; b++) {
        float x[K / 32], y[Rows];
        decode_norm<K>(x, x_in + b * K, gain, epsilon);
        w.multiply(x, y);
#pragma unroll
        for (int r = 0; r < Rows; r++) if (lane == r && row + r < V) logits[b * V + row + r] = y[r];
    }
}
