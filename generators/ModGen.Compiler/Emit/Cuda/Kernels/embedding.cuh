// The embedding: rows of the table into the float32 stream, and its gradient in a fixed order. Positions are first listed by
// token, in order within a token (that needs only the tokens, so it can run beside the forward pass); then blocks sum the
// rows of one token, first position first.

// stream (rows, Width) = table[tokens[row]], of the float32 master. 256 threads, ceil(rows * Width / 2048) blocks.
template <int Width>
__device__ __forceinline__ void embedding_fwd(const int* tokens, const float* table, float* stream, Rows rows) {
    constexpr int Group = group_of(Width, 4), Groups = Width / Group, Parts = 8 / Group;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * Groups, first = i64(blockIdx.x) * (256 * Parts) + threadIdx.x;
    float v[Parts][Group];
#pragma unroll
    for (int p = 0; p < Parts; p++) {
        u32 at = u32(first + p * 256), row = at / Groups;
        if (first + p * 256 < groups) load(table + i64(tokens[row]) * Width + at % Groups * Group, v[p]);
    }
#pragma unroll
    for (int p = 0; p < Parts; p++)
        if (first + p * 256 < groups) store(stream + (first + p * 256) * Group, v[p]);
}

// Tokens that a block of embedding_order counts in shared memory.
constexpr int EmbeddingRange = 51200;

// starts (Vocabulary + 1): where each token's positions begin; order (rows): positions by token, ascending within one.
// 1024 threads; any number of blocks, of which ceil(Vocabulary / 51200) have work; 4 * min(Vocabulary, 51200) bytes of dynamic
// shared memory. A token out of range is a caller's error.
template <int Vocabulary>
__device__ __forceinline__ void embedding_order(const int* tokens, int* starts, int* order, int rows) {
    constexpr int Range = Vocabulary < EmbeddingRange ? Vocabulary : EmbeddingRange;
    extern __shared__ u32 embedding_counters[];  // Range counters, then places
    __shared__ u32 totals[32];
    __shared__ u32 lesser;                       // positions of tokens below the range
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32, lowest = int(blockIdx.x) * Range;
    if (lowest >= Vocabulary) return;
    for (int t = thread; t < Range; t += 1024) embedding_counters[t] = 0;
    if (thread == 0) lesser = 0;
    wait_for_previous_kernel();
    let_next_kernel_start();
    __syncthreads();
    u32 below = 0;
    for (int i = thread; i < rows; i += 1024) {
        int token = tokens[i] - lowest;
        if (token < 0) below++;
        else if (token < Range) atomicAdd(&embedding_counters[token], 1u);
    }
    if (lowest > 0) atomicAdd(&lesser, below);
    __syncthreads();

    // Exclusive prefix sums: each thread owns a run of tokens.
    constexpr int Run = ceil_div(Range, 1024);
    int first = minimum(thread * Run, Range), last = minimum(first + Run, Range);
    u32 mine = 0;
    for (int t = first; t < last; t++) mine += embedding_counters[t];
    u32 upto = mine;
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) { u32 other = __shfl_up_sync(0xffffffffu, upto, d); if (lane >= d) upto += other; }
    if (lane == 31) totals[warp] = upto;
    __syncthreads();
    u32 before = lesser + upto - mine;
    for (int w = 0; w < warp; w++) before += totals[w];
    for (int t = first; t < last; t++) {
        u32 count = embedding_counters[t];
        embedding_counters[t] = before;
        if (lowest + t < Vocabulary) starts[lowest + t] = int(before);
        before += count;
    }
    if (thread == 1023 && lowest + Range >= Vocabulary) starts[Vocabulary] = rows;
    __syncthreads();

    // One warp hands out the places in order of position; the lanes of a token's group rank themselves.
    if (warp != 0) return;
    auto token_at = [&](int i) {
        int token = i < rows ? tokens[i] - lowest : -1;
        return token < Range ? token : -1;
    };
    int ahead = token_at(lane);
    for (int i = 0; i < rows; i += 32) {
        int token = maximum(ahead, -1);
        ahead = token_at(i + 32 + lane);
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

// gradient (Vocabulary, Width) += the sum of d_stream (rows, Width) over each token's positions, in two launches of
// ceil(rows / EmbeddingChunk) blocks of 256 threads (or any number). The first sums the runs of a chunk of the listed positions: a
// token that lies in one chunk goes straight to the gradient, the rest to partials (blocks, 2, Width): [0] a run that began in a
// chunk before, [1] one that begins here and goes on. The second adds up those that go on, chunk after chunk.
constexpr int EmbeddingChunk = 32;

template <int Width>
__device__ __forceinline__ void embedding_chunk_sums(const int* tokens, const int* starts, const int* order, const float* d_stream,
                                                     float* gradient, float* partials, int rows) {
    constexpr int Group = group_of(Width, 4);
    __shared__ int positions[EmbeddingChunk], ids[EmbeddingChunk];
    wait_for_previous_kernel();
    let_next_kernel_start();
    int first = int(blockIdx.x) * EmbeddingChunk, count = minimum(EmbeddingChunk, rows - first), thread = int(threadIdx.x);
    for (int i = thread; i < count; i += int(blockDim.x)) {
        positions[i] = order[first + i];
        ids[i] = tokens[positions[i]];
    }
    __syncthreads();
    for (int column = thread * Group; column < Width; column += int(blockDim.x) * Group) {
        float sum[Group] = {};
        for (int i = 0; i < count; i += 8) {
            float v[8][Group];
#pragma unroll
            for (int j = 0; j < 8; j++)
                if (i + j < count) load(d_stream + i64(positions[i + j]) * Width + column, v[j]);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                if (i + j >= count) break;
#pragma unroll
                for (int g = 0; g < Group; g++) sum[g] += v[j][g];
                int token = ids[i + j];
                if (i + j + 1 < count && ids[i + j + 1] == token) continue;
                bool begins = starts[token] >= first, ends = starts[token + 1] <= first + count;
                float* to = (begins && ends ? gradient + i64(token) * Width : partials + (i64(blockIdx.x) * 2 + (begins ? 1 : 0)) * Width) + column;
                if (begins && ends) {
                    float old[Group];
                    load(to, old);
#pragma unroll
                    for (int g = 0; g < Group; g++) sum[g] += old[g];
                }
                store(to, sum);
#pragma unroll
                for (int g = 0; g < Group; g++) sum[g] = 0.0f;
            }
        }
    }
}

template <int Width>
__device__ __forceinline__ void embedding_long_sums(const int* tokens, const int* starts, const int* order, const float* partials, float* gradient, int rows) {
    constexpr int Group = group_of(Width, 4);
    wait_for_previous_kernel();
    let_next_kernel_start();
    int first = int(blockIdx.x) * EmbeddingChunk, after = first + EmbeddingChunk;
    if (after >= rows) return;
    int token = tokens[order[after - 1]], end = starts[token + 1];
    if (starts[token] < first || end <= after) return;
    int last = (end - 1) / EmbeddingChunk;
    for (int column = int(threadIdx.x) * Group; column < Width; column += int(blockDim.x) * Group) {
        float* to = gradient + i64(token) * Width + column;
        float sum[Group], more[Group];
        load(to, sum);
        load(partials + (i64(blockIdx.x) * 2 + 1) * Width + column, more);
#pragma unroll
        for (int g = 0; g < Group; g++) sum[g] += more[g];
        for (int chunk = int(blockIdx.x) + 1; chunk <= last; chunk += 8) {
            float v[8][Group];
#pragma unroll
            for (int j = 0; j < 8; j++)
                if (chunk + j <= last) load(partials + i64(chunk + j) * 2 * Width + column, v[j]);
#pragma unroll
            for (int j = 0; j < 8; j++)
                if (chunk + j <= last)
#pragma unroll
                    for (int g = 0; g < Group; g++) sum[g] += v[j][g];
        }
        store(to, sum);
    }
}
