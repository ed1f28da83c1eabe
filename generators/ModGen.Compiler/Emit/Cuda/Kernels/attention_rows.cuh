// What the backward kernels of attention need of each query row: the logarithm of its softmax sum, and D = <dO, O>.

// Query rows are padded to whole boxes in `rows`, the scratch that the query kernel leaves for the key kernel.
__host__ __device__ constexpr int attention_padded(int length) { return ceil_div(length, 64) * 64; }

struct AttentionBackward {
    const bf16* output;   // (batch, length, Heads Width) bf16
    const bf16* doutput;  // (batch, length, Heads Width) bf16
    const float* lse;     // (batch, Heads, length) f32
    float* rows;          // (2, batch, Heads, padded length) f32: lse . log2(e) and <dO, O>; the query kernel writes, the key kernel reads
    int length, batch;
    float scale;
    const int* positions = nullptr;  // (batch, length) int, for rotary
    const float2* rotary = nullptr;  // (positions, Width / 2): cos, sin; where given, gradients of queries and keys are those before rotary
};

// What this thread's two query rows need: lse . log2(e) and D = <dO, O>, also left in `rows`. A row's four threads read a
// quarter each. Rows past the end get +infinity and 0, so that they add nothing anywhere.
template <class Shape>
__device__ __forceinline__ void attention_row_sums(const AttentionBackward& p, int sequence, int head, int row, int quarter, float (&lse)[2], float (&dot)[2]) {
    constexpr int Pieces = Shape::Width / 32;  // of 16 bytes
    i64 pair = i64(sequence) * Shape::Heads + head;
    int padded = attention_padded(p.length);
#pragma unroll
    for (int r = 0; r < 2; r++, row += 8) {
        lse[r] = MODGEN_INFINITY;
        dot[r] = 0.0f;
        if (row < p.length) {
            i64 at = ((i64(sequence) * p.length + row) * Shape::Heads + head) * Shape::Width + quarter * (Shape::Width / 4);
            uint4 o[Pieces], d[Pieces];
#pragma unroll
            for (int i = 0; i < Pieces; i++) {
                o[i] = load_streaming(reinterpret_cast<const uint4*>(p.output + at) + i);
                d[i] = __ldg(reinterpret_cast<const uint4*>(p.doutput + at) + i);
            }
            lse[r] = p.lse[pair * p.length + row] * 1.4426950408889634f;
#pragma unroll
            for (int i = 0; i < Pieces; i++) {
                float x[8], y[8];
                unpack(o[i], x);
                unpack(d[i], y);
#pragma unroll
                for (int e = 0; e < 8; e++) dot[r] += x[e] * y[e];
            }
        }
        dot[r] += __shfl_xor_sync(0xffffffffu, dot[r], 1);
        dot[r] += __shfl_xor_sync(0xffffffffu, dot[r], 2);
        if (quarter == 0 && row < padded) {
            p.rows[pair * padded + row] = lse[r];
            p.rows[(i64(p.batch) * Shape::Heads + pair) * padded + row] = dot[r];
        }
    }
}

