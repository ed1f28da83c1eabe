// RMSNorm, one warp a row (a few for a wide one), the row in registers: y = gain . x / rms(x). The same pass adds the block before to the
// residual stream, scores the router, and gathers the selected rows, so that each byte of the stream is moved once.

// Warps that share a row, so that a lane holds at most eight groups of four elements.
__host__ __device__ constexpr int row_warps(int width) {
    int warps = 1;
    while (width % (128 * warps) != 0 || width / (128 * warps) > 8) warps++;
    return warps;
}

template <int Width>
struct NormRow {
    static_assert(Width % 128 == 0 && row_warps(Width) <= 8, "rows are whole groups of 128 elements, 8192 at most or so");
    static constexpr int Warps = row_warps(Width), Lanes = Warps * 32, Groups = Width / (4 * Lanes);
    // This thread's group i, in units of four elements.
    static __device__ __forceinline__ int at(int i) { return i * Lanes + int(threadIdx.x) % Lanes; }

    // The sum over the row, in every thread of it. `scratch` holds a float a warp of the block; Turn alternates between
    // successive calls, so that one barrier a call is enough.
    template <int Turn>
    static __device__ __forceinline__ float sum(float x, float (&scratch)[2][32]) {
        x = warp_sum(x);
        if constexpr (Warps == 1) return x;
        int warp = int(threadIdx.x) / 32, row = warp / Warps;
        if (threadIdx.x % 32 == 0) scratch[Turn][warp] = x;
        asm volatile("bar.sync %0, %1;" :: "r"(1 + row), "n"(Lanes) : "memory");
        float total = 0.0f;
#pragma unroll
        for (int w = 0; w < Warps; w++) total += scratch[Turn][row * Warps + w];
        return total;
    }
};

__device__ __forceinline__ float4 widen(uint2 v) { return make_float4(low_half(v.x), high_half(v.x), low_half(v.y), high_half(v.y)); }
__device__ __forceinline__ uint2 narrow(float4 v) { return make_uint2(pack(v.x, v.y), pack(v.z, v.w)); }
__device__ __forceinline__ float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

struct RmsNormForward {
    const float* x;         // (rows of the stream, Width) f32
    const bf16* delta;      // (rows, Width) bf16, added to x first; Residual only
    const int* selected;    // (rows) row of the stream to read; Gather only
    const float* gain;      // (Width) f32
    const float* router;    // (Width) f32; Router only
    float* sum;             // (rows, Width) f32: x + delta; Residual only
    bf16* y;                // (rows, Width) bf16
    float* inverse_rms;     // (rows) f32
    float* scores;          // (rows) f32: router . (x + delta); Router only
    int rows;
    float epsilon;
};

template <int Width, bool Residual, bool Gather, bool Router>
__device__ __forceinline__ void rms_norm_fwd(const RmsNormForward& p) {
    using Row = NormRow<Width>;
    __shared__ float scratch[2][32];
    int row = int(blockIdx.x) * (int(blockDim.x) / Row::Lanes) + int(threadIdx.x) / Row::Lanes;
    if (row >= p.rows) return;
    wait_for_previous_kernel();
    const float4* x = reinterpret_cast<const float4*>(p.x) + i64(Gather ? p.selected[row] : row) * (Width / 4);
    const uint2* delta = reinterpret_cast<const uint2*>(p.delta) + i64(row) * (Width / 4);
    float4 v[Row::Groups];
    uint2 d[Residual ? Row::Groups : 1];
#pragma unroll
    for (int i = 0; i < Row::Groups; i++) {
        v[i] = load_streaming(x + Row::at(i));
        if constexpr (Residual) d[i] = __ldcs(delta + Row::at(i));
    }
    float squares = 0.0f, score = 0.0f;
#pragma unroll
    for (int i = 0; i < Row::Groups; i++) {
        if constexpr (Residual) {
            float4 w = widen(d[i]);
            v[i] = make_float4(v[i].x + w.x, v[i].y + w.y, v[i].z + w.z, v[i].w + w.w);
            reinterpret_cast<float4*>(p.sum)[i64(row) * (Width / 4) + Row::at(i)] = v[i];
        }
        squares += dot(v[i], v[i]);
        if constexpr (Router) score += dot(v[i], __ldg(reinterpret_cast<const float4*>(p.router) + Row::at(i)));
    }
    float scale = rsqrtf(Row::template sum<0>(squares, scratch) * (1.0f / Width) + p.epsilon);
    if constexpr (Router) score = Row::template sum<1>(score, scratch);
#pragma unroll
    for (int i = 0; i < Row::Groups; i++) {
        float4 g = __ldg(reinterpret_cast<const float4*>(p.gain) + Row::at(i));
        reinterpret_cast<uint2*>(p.y)[i64(row) * (Width / 4) + Row::at(i)] =
            narrow(make_float4(v[i].x * scale * g.x, v[i].y * scale * g.y, v[i].z * scale * g.z, v[i].w * scale * g.w));
    }
    if (threadIdx.x % Row::Lanes == 0) {
        p.inverse_rms[row] = scale;
        if constexpr (Router) p.scores[row] = score;
    }
}

struct RmsNormBackward {
    const bf16* dy;            // (rows, Width) bf16
    const float* x;            // (rows of the stream, Width) f32: what was normed
    const int* selected;       // (rows) row of the stream; Gather only
    const float* inverse_rms;  // (rows) f32
    const float* gain;         // (Width) f32
    float* dx;                 // (rows of the stream, Width) f32, added to
    float* gain_partials;      // (blocks, Width) f32, overwritten; summed by rms_norm_gain_gradient
    int rows;
};

// Persistent blocks; the warps of a row walk their rows in order and keep their part of the gain's gradient.
template <int Width, bool Gather, int Threads>
__device__ __forceinline__ void rms_norm_bwd(const RmsNormBackward& p) {
    using Row = NormRow<Width>;
    constexpr int Rows = Threads / Row::Lanes;
    static_assert(Threads % Row::Lanes == 0, "a block is whole rows");
    __shared__ float4 parts[Rows][Row::Lanes];
    __shared__ float scratch[2][32];
    int mine = int(threadIdx.x) / Row::Lanes, lane = int(threadIdx.x) % Row::Lanes;
    float4 dgain[Row::Groups];
#pragma unroll
    for (int i = 0; i < Row::Groups; i++) dgain[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    wait_for_previous_kernel();
    int turn = 0;
    for (int row = int(blockIdx.x) * Rows + mine; row < p.rows; row += int(gridDim.x) * Rows, turn ^= 1) {
        i64 stream = i64(Gather ? p.selected[row] : row) * (Width / 4);
        const float4* x = reinterpret_cast<const float4*>(p.x) + stream;
        const uint2* dy = reinterpret_cast<const uint2*>(p.dy) + i64(row) * (Width / 4);
        float4* dx = reinterpret_cast<float4*>(p.dx) + stream;
        float4 n[Row::Groups], out[Row::Groups];
        uint2 d[Row::Groups];
#pragma unroll
        for (int i = 0; i < Row::Groups; i++) {
            n[i] = load_streaming(x + Row::at(i));
            d[i] = __ldcs(dy + Row::at(i));
            out[i] = load_streaming(dx + Row::at(i));
        }
        float scale = p.inverse_rms[row], along = 0.0f;
#pragma unroll
        for (int i = 0; i < Row::Groups; i++) {
            float4 g = __ldg(reinterpret_cast<const float4*>(p.gain) + Row::at(i)), w = widen(d[i]);
            n[i] = make_float4(n[i].x * scale, n[i].y * scale, n[i].z * scale, n[i].w * scale);
            dgain[i].x += w.x * n[i].x; dgain[i].y += w.y * n[i].y; dgain[i].z += w.z * n[i].z; dgain[i].w += w.w * n[i].w;
            along += w.x * g.x * n[i].x + w.y * g.y * n[i].y + w.z * g.z * n[i].z + w.w * g.w * n[i].w;
        }
        float mean = (turn ? Row::template sum<1>(along, scratch) : Row::template sum<0>(along, scratch)) * (1.0f / Width);
#pragma unroll
        for (int i = 0; i < Row::Groups; i++) {
            float4 g = __ldg(reinterpret_cast<const float4*>(p.gain) + Row::at(i)), w = widen(d[i]);
            out[i].x += scale * (w.x * g.x - n[i].x * mean);
            out[i].y += scale * (w.y * g.y - n[i].y * mean);
            out[i].z += scale * (w.z * g.z - n[i].z * mean);
            out[i].w += scale * (w.w * g.w - n[i].w * mean);
            __stcs(dx + Row::at(i), out[i]);
        }
    }
#pragma unroll
    for (int i = 0; i < Row::Groups; i++) {
        parts[mine][lane] = dgain[i];
        __syncthreads();
        if (mine == 0) {
            float4 sum = parts[0][lane];
            for (int r = 1; r < Rows; r++) {
                float4 more = parts[r][lane];
                sum = make_float4(sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w);
            }
            reinterpret_cast<float4*>(p.gain_partials)[i64(blockIdx.x) * (Width / 4) + Row::at(i)] = sum;
        }
        __syncthreads();
    }
}

// gradient (Width) += the sum over blocks of partials (blocks, Width), in order. 32 columns a block of 256 threads.
template <int Width>
__device__ __forceinline__ void rms_norm_gain_gradient(const float* partials, float* gradient, int blocks) {
    __shared__ float parts[8][32];
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, column = int(blockIdx.x) * 32 + lane;
    wait_for_previous_kernel();
    float sum = 0.0f;
    for (int b = warp; b < blocks; b += 8) sum += partials[i64(b) * Width + column];
    parts[warp][lane] = sum;
    __syncthreads();
    if (warp != 0) return;
    for (int w = 1; w < 8; w++) sum += parts[w][lane];
    gradient[column] += sum;
}
