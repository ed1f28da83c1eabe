// The token chosen under limits where too many weights may be: nothing is sorted. The sum over the weights above a bound falls as the bound
// rises (rounding to nearest keeps that), so every question - the k-th largest, the smallest set that reaches p, the drawn one - is answered
// by bisecting the bits of the weights, which order as they do, with one sum over the row a step. Part of sample_tokens.

// The sum of the weights whose bits are low to high, of tokens up to `last`, or where it counts their number; in every thread. A function of its
// own, for the compiler's sake.
template <class Row>
__device__ __noinline__ float sampling_total(Row row, bool counts, u32 low, u32 high, int last) {
    float sum = 0.0f;
    row.each([&](float weight, int token) {
        u32 bits = __float_as_uint(weight);
        if (bits >= low && bits <= high && token <= last) sum += counts ? 1.0f : weight;
    });
    return block_sum<SamplingThreads>(sum, row.scratch);
}

constexpr u32 SamplingLargest = 0x3f800000u;  // bits of the largest weight, 1
constexpr int SamplingAll = 0x7fffffff;
template <class Row> __device__ __forceinline__ float mass_from(const Row& row, u32 bound) { return sampling_total(row, false, bound, SamplingLargest, SamplingAll); }
template <class Row> __device__ __forceinline__ float mass_above(const Row& row, u32 bound) { return mass_from(row, bound + 1); }
template <class Row> __device__ __forceinline__ int count_from(const Row& row, u32 bound) { return int(sampling_total(row, true, bound, SamplingLargest, SamplingAll)); }
template <class Row> __device__ __forceinline__ int count_of(const Row& row, u32 bound) { return int(sampling_total(row, true, bound, bound, SamplingAll)); }

// The first token whose weight has these bits. Ids are exact as floats.
template <class Row>
__device__ __forceinline__ int first_of(const Row& row, u32 wanted) {
    float last = -MODGEN_INFINITY;
    row.each([&](float weight, int token) {
        if (__float_as_uint(weight) == wanted) last = fmaxf(last, -float(token));
    });
    return int(-block_max<SamplingThreads>(last, row.scratch));
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

// The largest bound for which holds(bound), which is so up to `floor` and ceases to be at some bound not above that of 1.
template <class Holds>
__device__ __forceinline__ u32 largest_bound(u32 floor, Holds holds) {
    u32 bound = 0;
#pragma unroll 1
    for (u32 bit = 1u << 29; bit != 0; bit >>= 1) {
        u32 next = bound | bit;
        if (next <= floor || (next <= SamplingLargest && holds(next))) bound = next;
    }
    return bound;
}

// The likeliest tokens that may be drawn: those of weights above `bound`, and the first `equals` of those that equal it.
struct SamplingCut { u32 bound; int equals; float mass; };

// `mass` is that of all weights, for when the number of tokens is not limited.
template <class Row>
__device__ __forceinline__ SamplingCut sampling_cut(const Row& row, const SamplingSettings& s, bool counts, float mass) {
    SamplingCut cut{0, 0, mass};
    if (counts) {
        cut.bound = largest_bound(0, [&](u32 bound) { return count_from(row, bound) >= s.top_k; });
        cut.equals = s.top_k - count_from(row, cut.bound + 1);
        cut.mass = mass_above(row, cut.bound) + float(cut.equals) * __uint_as_float(cut.bound);
    }
    if (s.top_p >= 1.0f) return cut;
    float target = s.top_p * cut.mass;
    u32 bound = largest_bound(cut.bound, [&](u32 b) { return mass_from(row, b) >= target; });
    int equals = bound == cut.bound ? cut.equals : count_of(row, bound);
    float before = mass_above(row, bound), weight = __uint_as_float(bound);
    int wanted = int(ceilf((target - before) / weight));
    equals = maximum(minimum(wanted, equals), 1);
    return SamplingCut{bound, equals, before + float(equals) * weight};
}

// The token on which a draw falls, the tokens lying in falling order of weight, equals in order of their ids.
template <int Vocabulary, class Row>
__device__ __forceinline__ int draw_of_cut(const Row& row, const SamplingSettings& s, bool counts, float mass, double uniform) {
    SamplingCut cut = sampling_cut(row, s, counts, mass);
    double at = uniform * cut.mass;
    u32 bound = largest_bound(cut.bound, [&](u32 b) { return mass_from(row, b) > at; });
    int equals = bound == cut.bound ? cut.equals : count_of(row, bound);
    int which = int((at - mass_above(row, bound)) / __uint_as_float(bound));
    which = maximum(minimum(which, equals - 1), 0);
    if (which == 0) return first_of(row, bound);
    return first_index(Vocabulary, [&](int token) {
        return int(sampling_total(row, true, bound, bound, token)) > which;
    });
}

