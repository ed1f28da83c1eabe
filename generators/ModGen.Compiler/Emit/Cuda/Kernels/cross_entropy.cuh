// Softmax cross-entropy of a chunk of logits, loss and gradient in one read and one write: a block holds a row in
// registers, reduces its maximum and its sum, and writes d loss / d logits over the logits.

struct CrossEntropy {
    bf16* logits;        // (rows, Vocabulary) bf16 in, gradient out
    const int* targets;  // (rows); negative: the row counts for nothing
    float* losses;       // (rows) f32, nats
    float scale;         // of the gradient: 1 / number of targets that count
};

template <int Vocabulary, int Threads, bool Gradient>
__device__ __forceinline__ void cross_entropy(const CrossEntropy& p) {
    static_assert(Vocabulary % 8 == 0, "rows are read 16 bytes at a time");
    constexpr int Chunks = ceil_div(Vocabulary / 8, Threads);
    static_assert(Chunks <= 16 && Threads <= 512, "a row stays in registers: 65536 logits at most");
    constexpr float Log2E = 1.4426950408889634f;
    __shared__ float maxima[Threads / 32], sums[Threads / 32];
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32;
    wait_for_previous_kernel();
    i64 row = blockIdx.x;
    uint4* logits = reinterpret_cast<uint4*>(p.logits) + row * (Vocabulary / 8);
    int target = p.targets[row];
    float at_target = target >= 0 ? to_float(p.logits[row * Vocabulary + target]) : 0.0f;
    uint4 raw[Chunks];
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        int i = c * Threads + thread;
        raw[c] = i < Vocabulary / 8 ? __ldcs(logits + i) : make_uint4(0xff80ff80u, 0xff80ff80u, 0xff80ff80u, 0xff80ff80u);
    }
    float highest = -MODGEN_INFINITY;
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        float v[8];
        unpack(raw[c], v);
#pragma unroll
        for (int j = 0; j < 8; j++) highest = fmaxf(highest, v[j]);
    }
    highest = warp_max(highest);
    if (lane == 0) maxima[warp] = highest;
    __syncthreads();
    highest = warp_max(lane < Threads / 32 ? maxima[lane] : -MODGEN_INFINITY);
    float shift = -highest * Log2E, sum = 0.0f;
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        float v[8];
        unpack(raw[c], v);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += exp2_fast(v[j] * Log2E + shift);
    }
    sum = warp_sum(sum);
    if (lane == 0) sums[warp] = sum;
    __syncthreads();
    sum = warp_sum(lane < Threads / 32 ? sums[lane] : 0.0f);
    if (thread == 0) p.losses[row] = target >= 0 ? highest + log2_fast(sum) * 0.6931471805599453f - at_target : 0.0f;
    if constexpr (Gradient) {
        float scale = target >= 0 ? p.scale : 0.0f, factor = scale / sum;
#pragma unroll
        for (int c = 0; c < Chunks; c++) {
            int i = c * Threads + thread;
            if (i >= Vocabulary / 8) continue;
            float v[8];
            unpack(raw[c], v);
#pragma unroll
            for (int j = 0; j < 8; j++) v[j] = exp2_fast(v[j] * Log2E + shift) * factor - (i * 8 + j == target ? scale : 0.0f);
            __stcs(logits + i, pack(v));
        }
    }
}
