// AdamW over whole arenas, and the global norm of the gradient. What changes from step to step lies in device memory, so
// that both stay valid inside a captured graph.

// Written by the host (or by a kernel) before each step.
struct AdamWStep {
    float learning_rate, beta1, beta2, epsilon, decay;
    float correction1, correction2;  // 1 - beta1^t, 1 - beta2^t
    float gradient_scale;            // 1 / accumulated batches
    float clip;                      // largest norm of the scaled gradient, or infinity
};

// norm[0] = root of the sum of squares of the gradient (count, a multiple of 4), in one launch: every block sums a fixed
// part in a fixed order, the last to finish adds the blocks' sums in their order. `ticket` is zero and is left zero.
template <int Threads>
__device__ __forceinline__ void global_norm(const float* gradient, i64 count, float* partials, u32* ticket, float* norm) {
    __shared__ float scratch[32];
    __shared__ bool last;
    wait_for_previous_kernel();
    let_next_kernel_start();
    const float4* from = reinterpret_cast<const float4*>(gradient);
    i64 groups = count / 4, stride = i64(gridDim.x) * Threads, i = i64(blockIdx.x) * Threads + threadIdx.x;
    float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
    for (; i + 3 * stride < groups; i += 4 * stride) {
        float4 v[4];
#pragma unroll
        for (int j = 0; j < 4; j++) v[j] = load_streaming(from + i + j * stride);
#pragma unroll
        for (int j = 0; j < 4; j++) { a += v[j].x * v[j].x; b += v[j].y * v[j].y; c += v[j].z * v[j].z; d += v[j].w * v[j].w; }
    }
    for (; i < groups; i += stride) {
        float4 v = load_streaming(from + i);
        a += v.x * v.x; b += v.y * v.y; c += v.z * v.z; d += v.w * v.w;
    }
    float sum = block_sum<Threads>((a + b) + (c + d), scratch);
    if (threadIdx.x == 0) {
        partials[blockIdx.x] = sum;
        __threadfence();
        last = atomicAdd(ticket, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    sum = 0.0f;
    for (u32 block = threadIdx.x; block < gridDim.x; block += Threads) sum += __ldcg(partials + block);
    sum = block_sum<Threads>(sum, scratch);
    if (threadIdx.x == 0) { norm[0] = sqrtf(sum); ticket[0] = 0; }
}

struct AdamW {
    float* master;          // (count)
    float* moment1;         // (count)
    float* moment2;         // (count)
    float* gradient;        // (count)
    element* weights;       // (count) copy of the master as operands; null for none
    i64 count;              // a multiple of 4
    const i64* run_ends;    // (runs) where each run of elements ends, ascending, the last at count or beyond
    int runs;               // runs are decayed and not decayed in turns, ...
    int first_decays;       // ... the first decayed unless this is 0
    const AdamWStep* step;
    const float* norm;      // of the gradient before gradient_scale
};

// The run that an element is in.
__device__ __forceinline__ int adamw_run(const AdamW& p, i64 at) {
    int low = 0;
    for (int high = p.runs - 1; low < high;) {
        int middle = (low + high) / 2;
        if (p.run_ends[middle] <= at) low = middle + 1;
        else high = middle;
    }
    return low;
}

__device__ __forceinline__ float adamw_update(float& w, float& m, float& v, float g, const AdamWStep& s, float scale, float decay) {
    g *= scale;
    m += (1.0f - s.beta1) * (g - m);
    v += (1.0f - s.beta2) * (g * g - v);
    float root = sqrtf(v / s.correction2) + s.epsilon;
    w -= s.learning_rate * (m / s.correction1 / root + decay * w);
    return w;
}

// Groups groups of four parameters a thread, all their loads before the first use: ceil(count / (4 * Threads * Groups)) blocks. A norm
// that is not finite leaves everything as it is, the gradient too: the host sees the norm and says which tensor it came
// from. Clear zeroes the gradient, for a step whose first batch adds to it and does not store.
template <int Threads, int Groups, bool Clear>
__device__ __forceinline__ void adamw(const AdamW& p) {
    wait_for_previous_kernel();
    let_next_kernel_start();
    AdamWStep s = *p.step;
    float norm = *p.norm * s.gradient_scale;
    bool finite = norm < MODGEN_INFINITY;
    float scale = s.gradient_scale * (norm > s.clip ? s.clip / norm : 1.0f);
    i64 first = i64(blockIdx.x) * (Threads * Groups) + threadIdx.x, groups = p.count / 4;
    float4 w[Groups], m[Groups], v[Groups], g[Groups];
#pragma unroll
    for (int j = 0; j < Groups; j++) {
        i64 i = first + j * Threads;
        if (i < groups) {
            w[j] = __ldcs(reinterpret_cast<const float4*>(p.master) + i);
            m[j] = __ldcs(reinterpret_cast<const float4*>(p.moment1) + i);
            v[j] = __ldcs(reinterpret_cast<const float4*>(p.moment2) + i);
            g[j] = __ldcs(reinterpret_cast<const float4*>(p.gradient) + i);
        }
    }
    // Mostly a block lies in one run, and its threads look for it together.
    i64 begin = i64(blockIdx.x) * (Threads * Groups * 4);
    int run = adamw_run(p, begin);
    bool one_run = p.run_ends[run] >= begin + Threads * Groups * 4;
#pragma unroll
    for (int j = 0; j < Groups; j++) {
        i64 i = first + j * Threads;
        if (i >= groups) continue;
        if (finite) {
            float decay[4];
#pragma unroll
            for (int e = 0; e < 4; e++) decay[e] = ((one_run ? run : adamw_run(p, i * 4 + e)) % 2 == 0) == (p.first_decays != 0) ? s.decay : 0.0f;
            adamw_update(w[j].x, m[j].x, v[j].x, g[j].x, s, scale, decay[0]);
            adamw_update(w[j].y, m[j].y, v[j].y, g[j].y, s, scale, decay[1]);
            adamw_update(w[j].z, m[j].z, v[j].z, g[j].z, s, scale, decay[2]);
            adamw_update(w[j].w, m[j].w, v[j].w, g[j].w, s, scale, decay[3]);
            __stcs(reinterpret_cast<float4*>(p.master) + i, w[j]);
            __stcs(reinterpret_cast<float4*>(p.moment1) + i, m[j]);
            __stcs(reinterpret_cast<float4*>(p.moment2) + i, v[j]);
            float copy[4] = {w[j].x, w[j].y, w[j].z, w[j].w};
            if (p.weights != nullptr) store(p.weights + i * 4, copy);
            if constexpr (Clear) __stcs(reinterpret_cast<float4*>(p.gradient) + i, make_float4(0.0f, 0.0f, 0.0f, 0.0f));
        }
    }
}
