// Choosing the next token of every text on the device: temperature, top-k, top-p and repetition penalty, as TokenPicker does on the
// CPU with the same draws and the same order of equals, in float32 instead of float64.
// Nothing is sorted: weights are e^((logit - largest) / T), at most 1, whose bits order as they do, and the sum over those above a
// bound falls as the bound rises (rounding to nearest keeps that), so every question - the k-th largest, the smallest set that
// reaches p, the drawn one - is answered by bisection with one sum over the vocabulary a step.
// Families: prelude routing sampling_rows sample_tokens. Launch: 512 threads, a block a row.

// Uniform in [0, 1), 53 bits: CounterRandom(seed, Hash(row, position)).NextDouble().
__device__ __forceinline__ double sampling_draw(u64 seed, u64 row, u64 position) {
    constexpr u64 Golden = 0x9E3779B97F4A7C15ull;
    u64 stream = mix(row ^ mix((position + Golden) ^ mix(0xD1B54A32D192ED03ull)));
    u64 key = mix(seed ^ mix(stream + Golden));
    return double(mix(key + Golden) >> 11) * (1.0 / 9007199254740992.0);
}

// The weights of a row, a thread's every 512th: in registers where they fit, else in the place of the logits.
template <int Vocabulary>
struct SamplingWeights {
    static constexpr int Threads = 512, Turns = ceil_div(Vocabulary, Threads);
    static constexpr bool Kept = Turns <= 32;
    static constexpr int Unroll = Kept ? Turns : 8;

    float* memory;
    float* scratch;  // a float a warp
    float kept[Kept ? Turns : 1];

    static __device__ __forceinline__ int token(int turn) { return turn * Threads + int(threadIdx.x); }

    // The sum of the weights, or with Counted their number, of those that take(bits of the weight, token) says; in every thread.
    template <bool Counted, class Take>
    __device__ __forceinline__ float total(Take take) const {
        float sum = 0.0f;
#pragma unroll Unroll
        for (int turn = 0; turn < Turns; turn++) {
            if (token(turn) >= Vocabulary) continue;
            float weight = Kept ? kept[Kept ? turn : 0] : memory[token(turn)];
            if (take(__float_as_uint(weight), token(turn))) sum += Counted ? 1.0f : weight;
        }
        return block_sum<Threads>(sum, scratch);
    }

    // The first token whose weight has these bits. Ids are exact as floats.
    __device__ __forceinline__ int first_of(u32 wanted) const {
        float last = -MODGEN_INFINITY;
#pragma unroll Unroll
        for (int turn = 0; turn < Turns; turn++) {
            if (token(turn) >= Vocabulary) continue;
            float weight = Kept ? kept[Kept ? turn : 0] : memory[token(turn)];
            if (__float_as_uint(weight) == wanted) last = fmaxf(last, -float(token(turn)));
        }
        return int(-block_max<Threads>(last, scratch));
    }

    __device__ __forceinline__ float above(u32 bound) const { return total<false>([=](u32 bits, int) { return bits > bound; }); }
    __device__ __forceinline__ float from(u32 bound) const { return total<false>([=](u32 bits, int) { return bits >= bound; }); }
    __device__ __forceinline__ int count_above(u32 bound) const { return int(total<true>([=](u32 bits, int) { return bits > bound; })); }
    __device__ __forceinline__ int count_of(u32 bound) const { return int(total<true>([=](u32 bits, int) { return bits == bound; })); }
    __device__ __forceinline__ int count_from(u32 bound) const { return int(total<true>([=](u32 bits, int) { return bits >= bound; })); }
};

// The largest bound for which holds(bound), which is so up to `floor` and ceases to be at some bound not above that of 1.
template <class Holds>
__device__ __forceinline__ u32 largest_bound(u32 floor, Holds holds) {
    constexpr u32 One = 0x3f800000u;
    u32 bound = 0;
#pragma unroll 1
    for (u32 bit = 1u << 29; bit != 0; bit >>= 1) {
        u32 next = bound | bit;
        if (next <= floor || (next <= One && holds(next))) bound = next;
    }
    return bound;
}

// The first token for which holds(token), which is so from some token on.
template <int Vocabulary, class Holds>
__device__ __forceinline__ int first_token(Holds holds) {
    int low = 0, high = Vocabulary - 1;
#pragma unroll 1
    while (low < high) {
        int middle = (low + high) / 2;
        if (holds(middle)) high = middle;
        else low = middle + 1;
    }
    return low;
}

// The likeliest tokens that may be drawn: those of weights above `bound`, and the first `equals` of those that equal it.
struct SamplingCut { u32 bound; int equals; float mass; };

template <int Vocabulary>
__device__ __forceinline__ SamplingCut sampling_cut(const SamplingWeights<Vocabulary>& weights, const SamplingSettings& s) {
    SamplingCut cut{0, 0, 0.0f};
    if (s.top_k > 0 && s.top_k < Vocabulary) {
        cut.bound = largest_bound(0, [&](u32 bound) { return weights.count_from(bound) >= s.top_k; });
        cut.equals = s.top_k - weights.count_above(cut.bound);
    }
    cut.mass = weights.above(cut.bound) + float(cut.equals) * __uint_as_float(cut.bound);
    if (s.top_p >= 1.0f) return cut;
    float target = s.top_p * cut.mass;
    u32 bound = largest_bound(cut.bound, [&](u32 b) { return weights.from(b) >= target; });
    int equals = bound == cut.bound ? cut.equals : weights.count_of(bound);
    float before = weights.above(bound), weight = __uint_as_float(bound);
    int wanted = int(ceilf((target - before) / weight));
    equals = maximum(minimum(wanted, equals), 1);
    return SamplingCut{bound, equals, before + float(equals) * weight};
}

// The token on which a draw falls, the tokens lying in falling order of weight, equals in order of their ids.
template <int Vocabulary>
__device__ __forceinline__ int draw_of_cut(const SamplingWeights<Vocabulary>& weights, const SamplingCut& cut, double uniform) {
    double at = uniform * cut.mass;
    u32 bound = largest_bound(cut.bound, [&](u32 b) { return weights.from(b) > at; });
    int equals = bound == cut.bound ? cut.equals : weights.count_of(bound);
    int which = int((at - weights.above(bound)) / __uint_as_float(bound));
    which = maximum(minimum(which, equals - 1), 0);
    if (which == 0) return weights.first_of(bound);
    return first_token<Vocabulary>([&](int token) {
        return int(weights.template total<true>([=](u32 bits, int t) { return bits == bound && t <= token; })) > which;
    });
}

// logits (rows, Vocabulary) are used up. Row i belongs to slots[i], whose text has counts[slot] tokens; seen (slots, Vocabulary / 32,
// rounded up) has a bit a token that is in the text. chosen (rows): the token, marked as seen, or -1 where no logit is finite.
template <int Vocabulary>
__device__ __forceinline__ void sample_tokens(float* logits, const int* slots, const SamplingSettings* settings, const int* counts, u32* seen, int* chosen, Rows rows) {
    using Weights = SamplingWeights<Vocabulary>;
    __shared__ float scratch[Weights::Threads / 32];
    wait_for_previous_kernel();
    let_next_kernel_start();
    int row = int(blockIdx.x);
    if (row >= rows.count()) return;
    int slot = slots[row];
    SamplingSettings s = settings[slot];
    u32* marks = seen + i64(slot) * ceil_div(Vocabulary, 32);
    Weights weights;
    weights.memory = logits + i64(row) * Vocabulary;
    weights.scratch = scratch;
    float largest = -MODGEN_INFINITY;
#pragma unroll Weights::Unroll
    for (int turn = 0; turn < Weights::Turns; turn++) {
        int token = Weights::token(turn);
        if (token >= Vocabulary) continue;
        float x = weights.memory[token];
        if (s.repetition_penalty != 1.0f && (marks[token / 32] >> (token % 32) & 1u) != 0) x = x > 0.0f ? x / s.repetition_penalty : x * s.repetition_penalty;
        if (x != x) x = -MODGEN_INFINITY;
        if constexpr (Weights::Kept) weights.kept[turn] = x;
        else weights.memory[token] = x;
        largest = fmaxf(largest, x);
    }
    largest = block_max<Weights::Threads>(largest, scratch);
    bool certain = s.temperature == 0.0f || s.top_k == 1 || largest == MODGEN_INFINITY;
#pragma unroll Weights::Unroll
    for (int turn = 0; turn < Weights::Turns; turn++) {
        int token = Weights::token(turn);
        if (token >= Vocabulary) continue;
        float x = Weights::Kept ? weights.kept[Weights::Kept ? turn : 0] : weights.memory[token];
        float weight = x == largest ? 1.0f : certain ? 0.0f : expf((x - largest) / s.temperature);
        if constexpr (Weights::Kept) weights.kept[turn] = weight;
        else weights.memory[token] = weight;
    }
    int token = -1;
    if (largest > -MODGEN_INFINITY) {
        double uniform = sampling_draw(s.seed, u64(i64(s.row)), u64(i64(counts[slot])));
        if (certain) {
            token = weights.first_of(0x3f800000u);
        } else if (s.top_p < 1.0f || (s.top_k > 0 && s.top_k < Vocabulary)) {
            token = draw_of_cut(weights, sampling_cut(weights, s), uniform);
        } else {
            double at = uniform * weights.above(0);
            token = first_token<Vocabulary>([&](int t) { return weights.template total<false>([=](u32, int other) { return other <= t; }) > at; });
        }
    }
    if (threadIdx.x != 0) return;
    chosen[row] = token;
    if (token >= 0) marks[token / 32] |= 1u << (token % 32);
}
