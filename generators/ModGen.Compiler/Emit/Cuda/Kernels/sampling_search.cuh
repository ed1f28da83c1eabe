// The token chosen under limits where too many weights may be: nothing is sorted. The sum over the weights from a bound on falls as the bound
// rises (rounding to nearest keeps that), so every question - the k-th largest, the smallest set that reaches p, the drawn one - is answered
// by narrowing down the bits of the weights, which order as they do, two a pass over the row. Part of sample_tokens.

constexpr u32 SamplingLargest = 0x3f800000u;  // bits of the largest weight, 1

// The sums of the weights, or where it counts the numbers, from each of three rising bounds on; in every thread. 0 is below each bound. A
// function of its own, for the compiler's sake.
struct SamplingSums { float from[3]; };
template <class Row>
__device__ __noinline__ SamplingSums sums_from(Row row, bool counts, u32 a, u32 b, u32 c) {
    __shared__ float scratch[3][SamplingWarps];
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    SamplingSums sums = {};
    row.each([&](float weight, int) {
        u32 bits = __float_as_uint(weight);
        float more = counts ? 1.0f : weight;
        if (bits >= a) sums.from[0] += more;
        if (bits >= b) sums.from[1] += more;
        if (bits >= c) sums.from[2] += more;
    });
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 3; i++) {
        float sum = warp_sum(sums.from[i]);
        if (lane == 0) scratch[i][warp] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 3; i++) sums.from[i] = warp_sum(lane < SamplingWarps ? scratch[i][lane] : 0.0f);
    return sums;
}

// How many tokens up to `last` have a weight of these bits, and the first of them.
struct SamplingEquals { int count, first; };
template <class Row>
__device__ __noinline__ SamplingEquals equals_upto(Row row, u32 wanted, int last) {
    float count = 0.0f, first = -MODGEN_INFINITY;  // ids are exact as floats
    row.each([&](float weight, int token) {
        if (__float_as_uint(weight) != wanted || token > last) return;
        count += 1.0f;
        first = fmaxf(first, -float(token));
    });
    return {int(block_sum<SamplingThreads>(count, row.scratch)), int(-block_max<SamplingThreads>(first, row.scratch))};
}

// The first index for which holds(index), which is so from some index below `count` on.
template <class Holds>
__device__ __forceinline__ int first_index(int count, Holds holds) {
    int low = 0, high = count - 1;
#pragma unroll 1
    while (low < high) {
        int middle = (low + high) / 2;
        if (holds(middle)) high = middle;
        else low = middle + 1;
    }
    return low;
}

// The largest bound at which holds(the sum from it on), which is so up to `floor` and ceases to be at some bound not above that of 1.
template <class Row, class Holds>
__device__ __forceinline__ u32 largest_bound(const Row& row, bool counts, u32 floor, Holds holds) {
    u32 bound = 0;
#pragma unroll 1
    for (int shift = 28; shift >= 0; shift -= 2) {
        SamplingSums sums = sums_from(row, counts, bound | 1u << shift, bound | 2u << shift, bound | 3u << shift);
        u32 more = 0;
#pragma unroll
        for (u32 j = 1; j <= 3; j++) {
            u32 next = bound | j << shift;
            if (next <= floor || (next <= SamplingLargest && holds(sums.from[j - 1]))) more = j << shift;
        }
        bound |= more;
    }
    return bound;
}

template <class Row> __device__ __forceinline__ float mass_above(const Row& row, u32 bound) { return sums_from(row, false, bound + 1, bound + 1, bound + 1).from[0]; }
template <class Row> __device__ __forceinline__ int count_above(const Row& row, u32 bound) { return int(sums_from(row, true, bound + 1, bound + 1, bound + 1).from[0]); }

// The likeliest tokens that may be drawn: those of weights above `bound`, and the first `equals` of those that equal it.
struct SamplingCut { u32 bound; int equals; float mass; };

// `mass` is that of all weights, for when the number of tokens is not limited.
template <int Vocabulary>
__device__ __forceinline__ SamplingCut sampling_cut(const SamplingRow<Vocabulary>& row, const SamplingSettings& s, bool counts, float mass) {
    SamplingCut cut{0, 0, mass};
    if (counts) {
        cut.bound = largest_bound(row, true, 0, [&](float count) { return int(count) >= s.top_k; });
        cut.equals = s.top_k - count_above(row, cut.bound);
        cut.mass = mass_above(row, cut.bound) + float(cut.equals) * __uint_as_float(cut.bound);
    }
    if (s.top_p >= 1.0f) return cut;
    float target = s.top_p * cut.mass;
    u32 bound = maximum(largest_bound(row, false, cut.bound, [&](float from) { return from >= target; }), 1u);
    int equals = bound == cut.bound ? cut.equals : equals_upto(row, bound, Vocabulary).count;
    float before = mass_above(row, bound), weight = __uint_as_float(bound);
    int wanted = int(ceilf((target - before) / weight));
    equals = maximum(minimum(wanted, equals), 1);
    return SamplingCut{bound, equals, before + float(equals) * weight};
}

// The token on which a draw falls, the tokens lying in falling order of weight, equals in order of their ids.
template <int Vocabulary>
__device__ __forceinline__ int draw_of_cut(const SamplingRow<Vocabulary>& row, const SamplingSettings& s, bool counts, float mass, double uniform) {
    SamplingCut cut = sampling_cut(row, s, counts, mass);
    double at = uniform * cut.mass;
    u32 bound = maximum(largest_bound(row, false, cut.bound, [&](float from) { return from > at; }), 1u);
    SamplingEquals there = equals_upto(row, bound, Vocabulary);
    int equals = bound == cut.bound ? cut.equals : there.count;
    int which = int((at - mass_above(row, bound)) / __uint_as_float(bound));
    which = maximum(minimum(which, equals - 1), 0);
    if (which == 0) return there.first;
    return first_index(Vocabulary, [&](int token) { return equals_upto(row, bound, token).count > which; });
}
