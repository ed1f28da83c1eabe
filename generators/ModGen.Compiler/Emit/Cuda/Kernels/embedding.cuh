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

// Tokens that a block of embedding_order lists at a time, and where a vocabulary has few such ranges, parts of the positions of each.
constexpr int EmbeddingRange = 256;
__host__ __device__ constexpr int embedding_parts(int vocabulary) { return vocabulary <= EmbeddingRange ? 32 : vocabulary <= 8 * EmbeddingRange ? 8 : 1; }

// starts (Vocabulary + 1): where each token's positions begin; order (rows): positions by token, ascending within one.
// A block counts the positions of 256 tokens and places a part of them; its warps share the part, each a run of it, so that the places
// follow from how many of a token the parts and the warps before have. 1024 threads, ceil(Vocabulary / 256) *
// embedding_parts(Vocabulary) blocks (fewer take turns). A token out of range is a caller's error.
template <int Vocabulary>
__device__ __forceinline__ void embedding_order(const int* tokens, int* starts, int* order, int rows) {
    constexpr int Range = EmbeddingRange, Parts = embedding_parts(Vocabulary), Units = (Vocabulary + Range - 1) / Range * Parts;
    __shared__ u32 places[32][Range];    // of a warp's positions of a token: how many, then where the next one goes
    __shared__ u32 elsewhere[2][Range];  // a token's positions in the parts before, and after
    __shared__ u32 below[32];            // a warp's positions of tokens before the range
    __shared__ u32 sums[Range / 32];
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32, share = ceil_div(rows, 1024 * Parts) * 32;
    wait_for_previous_kernel();
    let_next_kernel_start();
    for (int unit = int(blockIdx.x); unit < Units; unit += int(gridDim.x)) {
        int lowest = unit / Parts * Range, part = minimum(unit % Parts * 32 * share, rows), first = minimum(part + warp * share, rows), last = minimum(first + share, rows);
        for (int t = lane; t < Range; t += 32) places[warp][t] = 0;
        if (thread < Range) elsewhere[0][thread] = elsewhere[1][thread] = 0;
        __syncthreads();
        u32 lesser = 0;
        auto count = [&](int i, u32* counts) {
            int token = tokens[i] - lowest;
            if (token < 0) lesser++;
            else if (token < Range) atomicAdd(&counts[token], 1u);
        };
#pragma unroll 8
        for (int i = first + lane; i < last; i += 32) count(i, places[warp]);
#pragma unroll 8
        for (int i = thread; i < part; i += 1024) count(i, elsewhere[0]);
#pragma unroll 8
        for (int i = part + 32 * share + thread; i < rows; i += 1024) count(i, elsewhere[1]);
        lesser = warp_sum(lesser);
        if (lane == 0) below[warp] = lesser;
        __syncthreads();

        // Exclusive prefix sums: a thread a token, over the warps and then over the tokens.
        u32 all = thread < Range ? elsewhere[0][thread] + elsewhere[1][thread] : 0;
        for (int w = 0; thread < Range && w < 32; w++) all += places[w][thread];
        u32 upto = warp_upto(all);
        if (thread < Range && lane == 31) sums[warp] = upto;
        __syncthreads();
        u32 place = warp_sum(below[lane]) + upto - all;
        if (thread < Range) {
            for (int w = 0; w < warp; w++) place += sums[w];
            if (part == 0 && lowest + thread < Vocabulary) starts[lowest + thread] = int(place);
            if (part == 0 && lowest + thread == Vocabulary - 1) starts[Vocabulary] = rows;
            place += elsewhere[0][thread];
            for (int w = 0; w < 32; w++) {
                u32 here = places[w][thread];
                places[w][thread] = place;
                place += here;
            }
        }
        __syncthreads();

        // The lanes of a token's group rank themselves.
        int ahead = first + lane < last ? tokens[first + lane] - lowest : -1;
        for (int i = first; i < last; i += 32) {
            int token = ahead < Range ? maximum(ahead, -1) : -1;
            ahead = i + 32 + lane < last ? tokens[i + 32 + lane] - lowest : -1;
            if (__ballot_sync(0xffffffffu, token >= 0) == 0) continue;
            u32 same = __match_any_sync(0xffffffffu, token), rank = __popc(same & ((1u << lane) - 1u));
            if (token >= 0) order[places[warp][token] + rank] = i + lane;
            __syncwarp();
            if (token >= 0 && rank == 0) places[warp][token] += __popc(same);
            __syncwarp();
        }
        __syncthreads();
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
