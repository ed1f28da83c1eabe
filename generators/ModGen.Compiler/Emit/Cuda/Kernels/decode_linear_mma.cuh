// Decoding a batch (Batch of 9 and more): the products of decode_linear on the tensor cores, tokens on the narrow side of
// mma.m16n8k16. A block makes 16 rows for all tokens, its warps split the reduction and add up in order. Weights go from
// device memory into the A fragments without a stop: a lane reads 16 bytes of rows g and g + 8, whose eight elements are
// taken as those of two steps; the tokens' fragments are read the same way, so the order of the elements does not matter.
// As in decode_linear, all weights of a warp are asked for before the kernel before is waited for.
//
// The rows of a block are eight and their partners: half a head away for rotary, the other branch for SwiGLU (which is eight
// rows further in the alternating layout). Inputs are bfloat16; norms are a kernel of their own here.

// Warps that share a reduction, so that a lane holds at most eleven steps of 32.
__host__ __device__ constexpr int decode_warps(int k) {
    int warps = 4;
    while (k % (32 * warps) != 0 || k / (32 * warps) > 11) warps++;
    return warps;
}

template <int K, int Batch>
struct DecodeBlock {
    static constexpr int Warps = decode_warps(K), Threads = 32 * Warps, Steps = K / (32 * Warps), Groups = ceil_div(Batch, 8);
    static_assert(Warps <= 16 && Groups <= 8, "up to 64 tokens");
};

// finish(g, token, low, high): the products of row g of the block and of its partner for a token. low_row, high_row: (row g).
template <int K, int Batch, class Finish>
__device__ __forceinline__ void decode_rows(const bf16* weights, int low_row, int high_row, const bf16* x, const Finish& finish) {
    using Block = DecodeBlock<K, Batch>;
    __shared__ float4 partial[Block::Warps][Block::Groups][32];
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, g = lane / 4, first = warp * (K / Block::Warps) + lane % 4 * 8;
    uint4 low[Block::Steps], high[Block::Steps];
#pragma unroll
    for (int s = 0; s < Block::Steps; s++) {
        low[s] = load_in_place(reinterpret_cast<const uint4*>(weights + i64(low_row) * K + first + s * 32));
        high[s] = load_in_place(reinterpret_cast<const uint4*>(weights + i64(high_row) * K + first + s * 32));
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
    float d[Block::Groups][4];
#pragma unroll
    for (int i = 0; i < Block::Groups; i++) d[i][0] = d[i][1] = d[i][2] = d[i][3] = 0.0f;
#pragma unroll
    for (int s = 0; s < Block::Steps; s++) {
        u32 a0[4] = {low[s].x, high[s].x, low[s].y, high[s].y}, a1[4] = {low[s].z, high[s].z, low[s].w, high[s].w};
#pragma unroll
        for (int i = 0; i < Block::Groups; i++) {
            int token = minimum(i * 8 + g, Batch - 1);
            uint4 b = *reinterpret_cast<const uint4*>(x + i64(token) * K + first + s * 32);
            multiply_16x8x16(d[i], a0, b.x, b.y);
            multiply_16x8x16(d[i], a1, b.z, b.w);
        }
    }
#pragma unroll
    for (int i = 0; i < Block::Groups; i++) partial[warp][i][lane] = make_float4(d[i][0], d[i][1], d[i][2], d[i][3]);
    __syncthreads();
    for (int i = warp; i < Block::Groups; i += Block::Warps) {
        float4 sum = partial[0][i][lane];
        for (int w = 1; w < Block::Warps; w++) {
            float4 v = partial[w][i][lane];
            sum = make_float4(sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w);
        }
        int token = i * 8 + lane % 4 * 2;
        if (token < Batch) finish(g, token, sum.x, sum.z);
        if (token + 1 < Batch) finish(g, token + 1, sum.y, sum.w);
    }
}

// QKV, rotary, cache. p.x and p.gain are not read: `normed` (Batch, K) bf16 is. A block a half head of eights.
template <int K, int Heads, int KeyValueHeads, int Head, int Batch>
__device__ __forceinline__ void decode_qkv_mma(const DecodeQkv& p, const bf16* normed) {
    int head = int(blockIdx.x) / (Head / 16), first = int(blockIdx.x) % (Head / 16) * 8, row = head * Head + first + int(threadIdx.x) % 32 / 4;
    decode_rows<K, Batch>(p.weights, row, row + Head / 2, normed, [&](int g, int b, float low, float high) {
        int i = first + g;
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
    });
}

// Both branches, SwiGLU. A block eight columns of H.
template <int K, int F, int Batch>
__device__ __forceinline__ void decode_gate_up_mma(const DecodeGateUp& p, const bf16* normed) {
    static_assert(F % 8 == 0, "branches alternate in eights");
    int row = int(blockIdx.x) * 16 + int(threadIdx.x) % 32 / 4;
    decode_rows<K, Batch>(p.weights, row, row + 8, normed, [&](int g, int b, float gate, float up) {
        p.h[b * F + int(blockIdx.x) * 8 + g] = to_bf16(gate * sigmoid(gate) * up);
    });
}

// out = sum + W input. A block 16 of the N rows.
template <int K, int N, int Batch>
__device__ __forceinline__ void decode_residual_mma(const DecodeResidual& p) {
    static_assert(N % 16 == 0, "whole blocks of rows");
    int row = int(blockIdx.x) * 16 + int(threadIdx.x) % 32 / 4;
    decode_rows<K, Batch>(p.weights, row, row + 8, p.input, [&](int g, int b, float low, float high) {
        int at = b * N + int(blockIdx.x) * 16 + g;
        p.out[at] = p.sum[at] + low;
        p.out[at + 8] = p.sum[at + 8] + high;
    });
}

// The vocabulary's logits (Batch, V) f32. A block 16 of them.
template <int K, int V, int Batch>
__device__ __forceinline__ void decode_logits_mma(const bf16* weights, const bf16* normed, float* logits) {
    static_assert(V % 16 == 0, "whole blocks of rows");
    int row = int(blockIdx.x) * 16 + int(threadIdx.x) % 32 / 4;
    decode_rows<K, Batch>(weights, row, row + 8, normed, [&](int g, int b, float low, float high) {
        logits[i64(b) * V + int(blockIdx.x) * 16 + g] = low;
        logits[i64(b) * V + int(blockIdx.x) * 16 + g + 8] = high;
    });
}
