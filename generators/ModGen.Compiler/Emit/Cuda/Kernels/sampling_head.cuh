// The largest weights of a row, sorted, and the token chosen from them under limits. Part of sample_tokens.

constexpr int SamplingMost = 4096;  // weights that are sorted at most

// Keys in rising order: the complement of a weight's bits above the token, so that weights fall and equals lie in order of their ids. Up to the
// next power of two the place behind them is used. Pairs within 64 keys are a warp's own.
__device__ __forceinline__ void sort_keys(u64* keys, int count) {
    int size = 64;
    while (size < count) size *= 2;
    for (int i = count + int(threadIdx.x); i < size; i += SamplingThreads) keys[i] = ~u64(0);
#pragma unroll 1
    for (int run = 2; run <= size; run *= 2) {
#pragma unroll 1
        for (int apart = run / 2; apart > 0; apart /= 2) {
            if (apart > 32 || (apart == 32 && run > 64) || run == 2) __syncthreads();
            else __syncwarp();
#pragma unroll 1
            for (int pair = int(threadIdx.x); pair < size / 2; pair += SamplingThreads) {
                int low = 2 * pair - (pair & (apart - 1)), high = low + apart;
                u64 a = keys[low], b = keys[high];
                if ((a > b) == ((low & run) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
        }
    }
    __syncthreads();
}

struct SamplingHead { int count; float mass; };  // the largest weights: how many they are, and their sum

// Gathers the weights of the levels that come to no more than `most` as keys.
template <int Vocabulary>
__device__ __forceinline__ SamplingHead gather_head(const SamplingRow<Vocabulary>& row, const SamplingLevels& levels, int most, u64* keys) {
    constexpr int Levels = SamplingLevels::Levels;
    __shared__ u32 counted[SamplingWarps][Levels];
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32;
    __syncthreads();
#pragma unroll
    for (int l = 0; l < Levels; l++) {
        u32 sum = warp_sum(levels.counts[l]);
        if (lane == 0) counted[warp][l] = sum;
    }
    __syncthreads();
    u32 bound = 0, mine = 0, at = 0, all = 0, my_sum = 0, sum_before = 0, sum = 0;
#pragma unroll
    for (int l = 0; l < Levels; l++) {
        u32 here = lane < SamplingWarps ? counted[lane][l] : 0u;
        sum += warp_sum(here);
        sum_before += warp_sum(lane < warp ? here : 0u);
        my_sum += levels.counts[l];
        if (sum <= u32(most)) bound = SamplingLevels::bound(l), mine = my_sum, at = sum_before, all = sum;
    }
    if (all == 0) return {0, 0.0f};
    at += warp_upto(mine) - mine;
    float mass = 0.0f;
    row.each([&](float weight, int token) {
        u32 bits = __float_as_uint(weight);
        if (bits < bound) return;
        keys[at++] = u64(~bits) << 32 | u32(token);
        mass += weight;
    });
    return {int(all), block_sum<SamplingThreads>(mass, row.scratch)};
}

constexpr int SamplingEach = SamplingMost / SamplingThreads;

// The block's sum of term(place, weight, sum before it, sum with it) over sorted weights, of which each thread has SamplingEach from `first` on.
template <class Term>
__device__ __forceinline__ float sorted_total(const float (&weights)[SamplingEach], int first, float before, float* scratch, Term term) {
    float terms = 0.0f;
#pragma unroll
    for (int e = 0; e < SamplingEach; e++) {
        float from = before;
        before += weights[e];
        terms += term(first + e, weights[e], from, before);
    }
    return block_sum<SamplingThreads>(terms, scratch);
}

// The token on which a draw falls among `count` sorted weights, of which some are all that may be drawn. mass: of all weights.
__device__ __forceinline__ int draw_sorted(const u64* keys, int count, const SamplingSettings& s, bool counts_tokens, float mass, double uniform, float* scratch) {
    int first = int(threadIdx.x) * SamplingEach, limit = counts_tokens ? s.top_k : count;
    float weights[SamplingEach], sum = 0.0f, all;
#pragma unroll
    for (int e = 0; e < SamplingEach; e++) {
        weights[e] = first + e < limit ? __uint_as_float(~u32(keys[first + e] >> 32)) : 0.0f;
        sum += weights[e];
    }
    float before = block_before(sum, scratch, all), target = s.top_p * (counts_tokens ? all : mass);
    int kept = limit;
    if (s.top_p < 1.0f)
        kept = maximum(int(sorted_total(weights, first, before, scratch, [=](int i, float, float from, float) { return i < limit && from < target ? 1.0f : 0.0f; })), 1);
    double at = uniform * double(sorted_total(weights, first, before, scratch, [=](int i, float weight, float, float) { return i < kept ? weight : 0.0f; }));
    int place = int(sorted_total(weights, first, before, scratch, [=](int i, float, float, float reached) { return i < kept && reached <= at ? 1.0f : 0.0f; }));
    return int(u32(keys[minimum(place, kept - 1)]));
}
