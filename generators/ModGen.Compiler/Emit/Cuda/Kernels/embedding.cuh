// The embedding: rows of the table into the float32 stream, and its gradient in a fixed order. Positions are first listed by
// token, in order within a token (that needs only the tokens, so it can run beside the forward pass); then a block sums the
// rows of one token, first position first.

// stream (rows, Width) f32 = table[tokens[row]]; Width / 4 threads a row.
template <int Width, int Threads>
__device__ __forceinline__ void embedding_fwd(const int* tokens, const bf16* table, float* stream, int rows) {
    wait_for_previous_kernel();
    i64 group = i64(blockIdx.x) * Threads + threadIdx.x;
    if (group >= i64(rows) * (Width / 4)) return;
    int row = int(group / (Width / 4)), column = int(group % (Width / 4));
    uint2 v = __ldg(reinterpret_cast<const uint2*>(table) + i64(tokens[row]) * (Width / 4) + column);
    reinterpret_cast<float4*>(stream)[group] = make_float4(low_half(v.x), high_half(v.x), low_half(v.y), high_half(v.y));
}

// starts (Vocabulary + 1): where each token's positions begin; order (rows): positions by token, ascending within one.
// One block of 1024 threads; Vocabulary counters in shared memory (4 bytes each). Tokens out of range are a caller's error.
template <int Vocabulary>
__device__ __forceinline__ void embedding_order(const int* tokens, int* starts, int* order, int rows) {
    static_assert(Vocabulary * 4 <= 200 * 1024, "a counter a token in shared memory");
    extern __shared__ u32 embedding_counters[];
    __shared__ u32 totals[32];
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32;
    for (int t = thread; t < Vocabulary; t += 1024) embedding_counters[t] = 0;
    wait_for_previous_kernel();
    __syncthreads();
    for (int i = thread; i < rows; i += 1024) atomicAdd(&embedding_counters[tokens[i]], 1u);
    __syncthreads();

    // Exclusive prefix sums: each thread owns a run of tokens.
    constexpr int Run = ceil_div(Vocabulary, 1024);
    int first = minimum(thread * Run, Vocabulary), last = minimum(first + Run, Vocabulary);
    u32 mine = 0;
    for (int t = first; t < last; t++) mine += embedding_counters[t];
    u32 upto = mine;
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) { u32 other = __shfl_up_sync(0xffffffffu, upto, d); if (lane >= d) upto += other; }
    if (lane == 31) totals[warp] = upto;
    __syncthreads();
    u32 before = upto - mine;
    for (int w = 0; w < warp; w++) before += totals[w];
    for (int t = first; t < last; t++) {
        u32 count = embedding_counters[t];
        embedding_counters[t] = before;
        starts[t] = int(before);
        before += count;
    }
    if (thread == 1023) starts[Vocabulary] = rows;
    __syncthreads();

    // One warp hands out the places in order of position; the lanes of a token's group rank themselves.
    if (warp != 0) return;
    int ahead = lane < rows ? tokens[lane] : -1;
    for (int i = 0; i < rows; i += 32) {
        int token = ahead, next = i + 32 + lane;
        ahead = next < rows ? tokens[next] : -1;
        u32 same = __match_any_sync(0xffffffffu, token), rank = __popc(same & ((1u << lane) - 1u));
        u32 base = token >= 0 ? embedding_counters[token] : 0u;
        __syncwarp();
        if (token >= 0) {
            order[base + rank] = i + lane;
            if (rank == 0) embedding_counters[token] = base + __popc(same);
        }
        __syncwarp();
    }
}

// gradient (Vocabulary, Width) f32 += the sum of d_stream (rows, Width) f32 over each token's positions, in two launches of
// ceil(rows / EmbeddingChunk) blocks of Width / 4 threads. The first sums the runs of a chunk of the listed positions: a token
// that lies in one chunk goes straight to the gradient, the rest to partials (blocks, 2, Width): [0] a run that began in a
// chunk before, [1] one that begins here and goes on. The second adds up those that go on, chunk after chunk.
constexpr int EmbeddingChunk = 32;

template <int Width>
__device__ __forceinline__ void embedding_chunk_sums(const int* tokens, const int* starts, const int* order, const float* d_stream,
                                                     float* gradient, float* partials, int rows) {
    static_assert(Width % 4 == 0 && Width / 4 <= 1024, "a thread owns four columns");
    __shared__ int positions[EmbeddingChunk], ids[EmbeddingChunk];
    wait_for_previous_kernel();
    int first = int(blockIdx.x) * EmbeddingChunk, count = minimum(EmbeddingChunk, rows - first), thread = int(threadIdx.x);
    for (int i = thread; i < count; i += int(blockDim.x)) {
        positions[i] = order[first + i];
        ids[i] = tokens[positions[i]];
    }
    __syncthreads();
    const float4* from = reinterpret_cast<const float4*>(d_stream) + thread;
    float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int i = 0; i < count; i += 8) {
        float4 v[8];
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = i + j < count ? __ldcs(from + i64(positions[i + j]) * (Width / 4)) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            if (i + j >= count) break;
            sum.x += v[j].x; sum.y += v[j].y; sum.z += v[j].z; sum.w += v[j].w;
            int token = ids[i + j];
            if (i + j + 1 < count && ids[i + j + 1] == token) continue;
            bool begins = starts[token] >= first, ends = starts[token + 1] <= first + count;
            float4* to = reinterpret_cast<float4*>(begins && ends ? gradient + i64(token) * Width : partials + (i64(blockIdx.x) * 2 + (begins ? 1 : 0)) * Width) + thread;
            if (begins && ends) {
                float4 old = *to;
                sum = make_float4(old.x + sum.x, old.y + sum.y, old.z + sum.z, old.w + sum.w);
            }
            *to = sum;
            sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }
    }
}

template <int Width>
__device__ __forceinline__ void embedding_long_sums(const int* tokens, const int* starts, const int* order, const float* partials, float* gradient, int rows) {
    wait_for_previous_kernel();
    int first = int(blockIdx.x) * EmbeddingChunk, after = first + EmbeddingChunk;
    if (after >= rows) return;
    int token = tokens[order[after - 1]], end = starts[token + 1];
    if (starts[token] < first || end <= after) return;
    const float4* from = reinterpret_cast<const float4*>(partials) + threadIdx.x;
    float4* to = reinterpret_cast<float4*>(gradient) + i64(token) * (Width / 4) + threadIdx.x;
    float4 sum = *to, more = from[(i64(blockIdx.x) * 2 + 1) * (Width / 4)];
    sum = make_float4(sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w);
    int last = (end - 1) / EmbeddingChunk;
    for (int chunk = int(blockIdx.x) + 1; chunk <= last; chunk += 8) {
        float4 v[8];
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = chunk + j <= last ? from[i64(chunk + j) * 2 * (Width / 4)] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll
        for (int j = 0; j < 8; j++) { sum.x += v[j].x; sum.y += v[j].y; sum.z += v[j].z; sum.w += v[j].w; }
    }
    *to = sum;
}
