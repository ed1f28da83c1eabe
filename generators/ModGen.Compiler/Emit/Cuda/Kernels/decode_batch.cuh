// Decoding for batches: the products of a step on the tensor cores, weights on the rows of mma.sync and tokens (Batch of them, up to
// 64) on its columns. A block owns 16 rows of the weights; its warps split the reduction, so that each asks for all its
// weights at once, before it waits for the kernel before (see decode_linear), and sums meet in shared memory in a fixed order.
//
// Norms cost no kernel: whoever writes the residual stream also writes bf16(gain . x) for the product that follows and its
// columns' part of each token's sum of squares; the product scales its results by 1 / rms. Parts are added in order.

// 16 rows against all tokens: rows 0..7 from `first` on, rows 8..15 from `second` on.
template <int K, int Warps, int Batch>
struct DecodeTile {
    static constexpr int Steps = K / (32 * Warps), Groups = ceil_div(Batch, 8), Tokens = Groups * 8 + 4, Threads = Warps * 32;  // Tokens: of a row of sums, spread over the banks
    static_assert(K % (32 * Warps) == 0 && Steps <= 8, "a warp holds its 16 rows' weights in at most 64 registers");
    static_assert(Batch <= 64, "more tokens are a matrix product");
    uint4 w[Steps][2];

    // Where this lane's eight elements of step s begin: any order of the reduction does, so a lane's 16 bytes are two steps' worth.
    static __device__ __forceinline__ int depth(int s) { return (int(threadIdx.x) / 32 * Steps + s) * 32 + int(threadIdx.x) % 4 * 8; }

    __device__ __forceinline__ void load(const bf16* weights, int first, int second) {
        int row = int(threadIdx.x) % 32 / 4;
#pragma unroll
        for (int s = 0; s < Steps; s++) {
            w[s][0] = load_in_place(reinterpret_cast<const uint4*>(weights + i64(first + row) * K + depth(s)));
            w[s][1] = load_in_place(reinterpret_cast<const uint4*>(weights + i64(second + row) * K + depth(s)));
        }
    }

    // sums[row][token] of this block, complete for all threads on return. x: (Batch, K) bf16.
    __device__ __forceinline__ void multiply(const bf16* x, float (&parts)[Warps][16][Tokens]) const {
        int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
        float d[Groups][4];
#pragma unroll
        for (int n = 0; n < Groups; n++) d[n][0] = d[n][1] = d[n][2] = d[n][3] = 0.0f;
#pragma unroll
        for (int s = 0; s < Steps; s++) {
            u32 low[4] = {w[s][0].x, w[s][1].x, w[s][0].y, w[s][1].y}, high[4] = {w[s][0].z, w[s][1].z, w[s][0].w, w[s][1].w};
#pragma unroll
            for (int n = 0; n < Groups; n++) {
                int token = minimum(n * 8 + lane / 4, Batch - 1);  // columns past the batch repeat its last token; nobody reads them
                uint4 v = __ldcg(reinterpret_cast<const uint4*>(x + i64(token) * K + depth(s)));
                multiply_16x8x16(d[n], low, v.x, v.y);
                multiply_16x8x16(d[n], high, v.z, v.w);
            }
        }
#pragma unroll
        for (int n = 0; n < Groups; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) parts[warp][lane / 4 + e / 2 * 8][n * 8 + lane % 4 * 2 + e % 2] = d[n][e];
        __syncthreads();
    }

    static __device__ __forceinline__ float sum(const float (&parts)[Warps][16][Tokens], int row, int token) {
        float total = parts[0][row][token];
#pragma unroll
        for (int w = 1; w < Warps; w++) total += parts[w][row][token];
        return total;
    }

    // 1 / rms of each token from the sums of squares of 16 columns each, (K / 16, Batch); visible after the next barrier.
    static __device__ __forceinline__ void scales(const float* squares, float epsilon, float (&scale)[Batch]) {
        for (int token = int(threadIdx.x); token < Batch; token += Threads) {
            float total = 0.0f;
#pragma unroll 16
            for (int i = 0; i < K / 16; i++) total += __ldcg(squares + i * Batch + token);
            scale[token] = rsqrtf(total * (1.0f / K) + epsilon);
        }
    }
};

struct DecodeBatchQkv {
    const bf16* weights;     // ((Heads + 2 KeyValueHeads) Head, K) bf16
    const bf16* x;           // (Batch, K) bf16: gain . x
    const float* squares;    // (K / 16, Batch) f32
    const float2* table;     // (Length, Head / 2): cos, sin
    bf16* q;                 // (Batch, Heads Head) bf16
    bf16* keys;              // (Batch, KeyValueHeads, capacity, Head) bf16, one row written
    bf16* values;            // as keys
    const int* positions;    // (Batch) position of the token in its sequence, for rotary
    const int* lengths;      // (Batch) keys already in this layer's cache
    int capacity;
    float epsilon;
};

// QKV, rotary, cache. Blocks: (Heads + 2 KeyValueHeads) Head / 16, each with eight pairs of rows half a head apart.
template <int K, int Heads, int KeyValueHeads, int Head, int Warps, int Batch>
__device__ __forceinline__ void decode_batch_qkv(const DecodeBatchQkv& p) {
    using Tile = DecodeTile<K, Warps, Batch>;
    __shared__ float parts[Warps][16][Tile::Tokens];
    __shared__ float scale[Batch];
    int head = int(blockIdx.x) / (Head / 16), column = int(blockIdx.x) % (Head / 16) * 8;
    Tile tile;
    tile.load(p.weights, head * Head + column, head * Head + column + Head / 2);
    wait_for_previous_kernel();
    let_next_kernel_start();
    Tile::scales(p.squares, p.epsilon, scale);
    tile.multiply(p.x, parts);
    for (int i = int(threadIdx.x); i < 8 * Batch; i += Tile::Threads) {
        int b = i / 8, r = i % 8;
        float low = Tile::sum(parts, r, b) * scale[b], high = Tile::sum(parts, r + 8, b) * scale[b];
        bf16* to = p.q + (b * Heads + head) * Head;
        if (head < Heads + KeyValueHeads) {
            float2 angle = p.table[i64(p.positions[b]) * (Head / 2) + column + r];
            float turned = low * angle.x - high * angle.y;
            high = high * angle.x + low * angle.y;
            low = turned;
        }
        if (head >= Heads) {
            int kv = head - Heads;
            to = (kv < KeyValueHeads ? p.keys : p.values) + (i64(b * KeyValueHeads + kv % KeyValueHeads) * p.capacity + p.lengths[b]) * Head;
        }
        to[column + r] = to_bf16(low);
        to[column + r + Head / 2] = to_bf16(high);
    }
}

struct DecodeBatchGateUp {
    const bf16* weights;   // (2 F, K) bf16, branches alternating in eights
    const bf16* x;         // (Batch, K) bf16: gain . x
    const float* squares;  // (K / 16, Batch) f32
    bf16* h;               // (Batch, F) bf16
    float epsilon;
};

// Both branches of the MLP, SwiGLU. Blocks: F / 8.
template <int K, int F, int Warps, int Batch>
__device__ __forceinline__ void decode_batch_gate_up(const DecodeBatchGateUp& p) {
    using Tile = DecodeTile<K, Warps, Batch>;
    static_assert(F % 8 == 0, "whole eights of both branches");
    __shared__ float parts[Warps][16][Tile::Tokens];
    __shared__ float scale[Batch];
    Tile tile;
    tile.load(p.weights, int(blockIdx.x) * 16, int(blockIdx.x) * 16 + 8);
    wait_for_previous_kernel();
    let_next_kernel_start();
    Tile::scales(p.squares, p.epsilon, scale);
    tile.multiply(p.x, parts);
    for (int i = int(threadIdx.x); i < 8 * Batch; i += Tile::Threads) {
        int b = i / 8, r = i % 8;
        float gate = Tile::sum(parts, r, b) * scale[b], up = Tile::sum(parts, r + 8, b) * scale[b];
        p.h[b * F + int(blockIdx.x) * 8 + r] = to_bf16(gate * sigmoid(gate) * up);
    }
}

struct DecodeBatchResidual {
    const bf16* weights;  // (N, K) bf16
    const bf16* input;    // (Batch, K) bf16
    float* x;             // (Batch, N) f32: the stream, added to
    const float* gain;    // (N) f32 of the norm that reads it next
    bf16* scaled;         // (Batch, N) bf16: gain . x
    float* squares;       // (N / 16, Batch) f32
};

// x += W input, and what the next norm needs. Blocks: N / 16.
template <int K, int N, int Warps, int Batch>
__device__ __forceinline__ void decode_batch_residual(const DecodeBatchResidual& p) {
    using Tile = DecodeTile<K, Warps, Batch>;
    static_assert(N % 16 == 0, "whole tiles of rows");
    __shared__ float parts[Warps][16][Tile::Tokens];
    Tile tile;
    tile.load(p.weights, int(blockIdx.x) * 16, int(blockIdx.x) * 16 + 8);
    wait_for_previous_kernel();
    let_next_kernel_start();
    tile.multiply(p.input, parts);
#pragma unroll 1
    for (int i = int(threadIdx.x); i < 16 * ceil_div(16 * Batch, 32) * 2; i += Tile::Threads) {
        int b = i / 16, r = i % 16, column = int(blockIdx.x) * 16 + r;
        float value = 0.0f;
        if (b < Batch) {
            value = p.x[i64(b) * N + column] + Tile::sum(parts, r, b);
            p.x[i64(b) * N + column] = value;
            p.scaled[i64(b) * N + column] = to_bf16(value * __ldg(p.gain + column));
        }
        float square = value * value;
#pragma unroll
        for (int step = 8; step > 0; step /= 2) square += __shfl_xor_sync(0xffffffffu, square, step);
        if (b < Batch && r == 0) p.squares[int(blockIdx.x) * Batch + b] = square;
    }
}

struct DecodeBatchLogits {
    const bf16* weights;   // (V, K) bf16
    const bf16* x;         // (Batch, K) bf16: gain . x
    const float* squares;  // (K / 16, Batch) f32
    float* logits;         // (Batch, V) f32
    float epsilon;
};

// Blocks: V / 16.
template <int K, int V, int Warps, int Batch>
__device__ __forceinline__ void decode_batch_logits(const DecodeBatchLogits& p) {
    using Tile = DecodeTile<K, Warps, Batch>;
    static_assert(V % 16 == 0, "the vocabulary's rows are padded to 16");
    __shared__ float parts[Warps][16][Tile::Tokens];
    __shared__ float scale[Batch];
    Tile tile;
    tile.load(p.weights, int(blockIdx.x) * 16, int(blockIdx.x) * 16 + 8);
    wait_for_previous_kernel();
    let_next_kernel_start();
    Tile::scales(p.squares, p.epsilon, scale);
    tile.multiply(p.x, parts);
    for (int i = int(threadIdx.x); i < 16 * Batch; i += Tile::Threads) {
        int b = i / 16, r = i % 16;
        p.logits[i64(b) * V + int(blockIdx.x) * 16 + r] = Tile::sum(parts, r, b) * scale[b];
    }
}

struct DecodeBatchEmbedding {
    const bf16* table;   // (V, K) bf16
    const int* tokens;   // (Batch)
    const float* gain;   // (K) f32 of the first norm
    float* x;            // (Batch, K) f32
    bf16* scaled;        // (Batch, K) bf16: gain . x
    float* squares;      // (K / 16, Batch) f32
};

// The tokens' rows, and what the first norm needs. Blocks: Batch, of any number of warps.
template <int K, int Batch>
__device__ __forceinline__ void decode_batch_embedding(const DecodeBatchEmbedding& p) {
    int b = int(blockIdx.x);
    wait_for_previous_kernel();
    let_next_kernel_start();
    const bf16* row = p.table + i64(p.tokens[b]) * K;
    for (int i = int(threadIdx.x); i < ceil_div(K, 32) * 32; i += int(blockDim.x)) {
        float value = i < K ? to_float(row[i]) : 0.0f, square = value * value;
        if (i < K) {
            p.x[i64(b) * K + i] = value;
            p.scaled[i64(b) * K + i] = to_bf16(value * p.gain[i]);
        }
#pragma unroll
        for (int step = 8; step > 0; step /= 2) square += __shfl_xor_sync(0xffffffffu, square, step);
        if (i < K && i % 16 == 0) p.squares[i / 16 * Batch + b] = square;
    }
}
