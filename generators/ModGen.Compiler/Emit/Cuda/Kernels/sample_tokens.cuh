// Choosing the next token of every text on the device: temperature, top-k, top-p and repetition penalty, as TokenPicker does on the
// CPU with the same draws and the same order of equals, in float32 instead of float64.
// Nothing is sorted: weights are e^((logit - largest) / T), at most 1, whose bits order as they do, and the sum over those above a
// bound falls as the bound rises (rounding to nearest keeps that), so every question - the k-th largest, the smallest set that
// reaches p, the drawn one - is answered by bisection with one sum a step. The steps are over the few thousand largest weights where
// the answer lies among them, as it mostly does, and else over the vocabulary.
// Families: prelude vectors routing sampling_rows sample_tokens. Launch: 512 threads, a block a row.

constexpr int SamplingThreads = 512;

// Uniform in [0, 1), 53 bits: CounterRandom(seed, Hash(row, position)).NextDouble().
__device__ __forceinline__ double sampling_draw(u64 seed, u64 row, u64 position) {
    constexpr u64 Golden = 0x9E3779B97F4A7C15ull;
    u64 stream = mix(row ^ mix((position + Golden) ^ mix(0xD1B54A32D192ED03ull)));
    u64 key = mix(seed ^ mix(stream + Golden));
    return double(mix(key + Golden) >> 11) * (1.0 / 9007199254740992.0);
}

// All weights, in the place of the logits; each thread has every 512th. `scratch` holds a float a warp.
template <int Vocabulary>
struct SamplingRow {
    float* weights;
    float* scratch;

    template <class Body> __device__ __forceinline__ void each(Body body) const {
#pragma unroll 8
        for (int token = int(threadIdx.x); token < Vocabulary; token += SamplingThreads) body(weights[token], token);
    }
};

// The largest weights, spread over the threads; 0 where a thread has fewer.
struct SamplingHead {
    static constexpr int Most = 4096, Each = Most / SamplingThreads;
    float weight[Each];
    int token[Each];
    float* scratch;
    int count;

    template <class Body> __device__ __forceinline__ void each(Body body) const {
#pragma unroll
        for (int i = 0; i < Each; i++) body(weight[i], token[i]);
    }
};

// The sum of the weights, or with Counted their number, of those that take(bits of the weight, token) says; in every thread.
template <bool Counted, class Weights, class Take>
__device__ __forceinline__ float sampling_total(const Weights& from, Take take) {
    float sum = 0.0f;
    from.each([&](float weight, int token) {
        if (take(__float_as_uint(weight), token)) sum += Counted ? 1.0f : weight;
    });
    return block_sum<SamplingThreads>(sum, from.scratch);
}

template <class Weights> __device__ __forceinline__ float mass_above(const Weights& from, u32 bound) { return sampling_total<false>(from, [=](u32 bits, int) { return bits > bound; }); }
template <class Weights> __device__ __forceinline__ float mass_from(const Weights& from, u32 bound) { return sampling_total<false>(from, [=](u32 bits, int) { return bits >= bound; }); }
template <class Weights> __device__ __forceinline__ int count_from(const Weights& from, u32 bound) { return int(sampling_total<true>(from, [=](u32 bits, int) { return bits >= bound; })); }
template <class Weights> __device__ __forceinline__ int count_of(const Weights& from, u32 bound) { return int(sampling_total<true>(from, [=](u32 bits, int) { return bits == bound; })); }

// The first token whose weight has these bits. Ids are exact as floats.
template <class Weights>
__device__ __forceinline__ int first_of(const Weights& from, u32 wanted) {
    float last = -MODGEN_INFINITY;
    from.each([&](float weight, int token) {
        if (__float_as_uint(weight) == wanted) last = fmaxf(last, -float(token));
    });
    return int(-block_max<SamplingThreads>(last, from.scratch));
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
    constexpr u32 One = 0x3f800000u;
    u32 bound = 0;
#pragma unroll 1
    for (u32 bit = 1u << 29; bit != 0; bit >>= 1) {
        u32 next = bound | bit;
        if (next <= floor || (next <= One && holds(next))) bound = next;
    }
    return bound;
}

// The likeliest tokens that may be drawn: those of weights above `bound`, and the first `equals` of those that equal it.
struct SamplingCut { u32 bound; int equals; float mass; };

// `mass` is that of all weights, for when the number of tokens is not limited.
template <class Weights>
__device__ __forceinline__ SamplingCut sampling_cut(const Weights& from, const SamplingSettings& s, bool counts, float mass) {
    SamplingCut cut{0, 0, mass};
    if (counts) {
        cut.bound = largest_bound(0, [&](u32 bound) { return count_from(from, bound) >= s.top_k; });
        cut.equals = s.top_k - count_from(from, cut.bound + 1);
        cut.mass = mass_above(from, cut.bound) + float(cut.equals) * __uint_as_float(cut.bound);
    }
    if (s.top_p >= 1.0f) return cut;
    float target = s.top_p * cut.mass;
    u32 bound = largest_bound(cut.bound, [&](u32 b) { return mass_from(from, b) >= target; });
    int equals = bound == cut.bound ? cut.equals : count_of(from, bound);
    float before = mass_above(from, bound), weight = __uint_as_float(bound);
    int wanted = int(ceilf((target - before) / weight));
    equals = maximum(minimum(wanted, equals), 1);
    return SamplingCut{bound, equals, before + float(equals) * weight};
}

// The token on which a draw falls, the tokens lying in falling order of weight, equals in order of their ids.
template <int Vocabulary, class Weights>
__device__ __forceinline__ int draw_of_cut(const Weights& from, const SamplingSettings& s, bool counts, float mass, double uniform) {
    SamplingCut cut = sampling_cut(from, s, counts, mass);
    double at = uniform * cut.mass;
    u32 bound = largest_bound(cut.bound, [&](u32 b) { return mass_from(from, b) > at; });
    int equals = bound == cut.bound ? cut.equals : count_of(from, bound);
    int which = int((at - mass_above(from, bound)) / __uint_as_float(bound));
    which = maximum(minimum(which, equals - 1), 0);
    if (which == 0) return first_of(from, bound);
    return first_index(Vocabulary, [&](int token) {
        return int(sampling_total<true>(from, [=](u32 bits, int t) { return bits == bound && t <= token; })) > which;
    });
}

// The token on which a draw falls, the tokens lying in order of their ids: first the 512 that it is among, then which of these.
template <int Vocabulary>
__device__ __forceinline__ int draw_in_order(const SamplingRow<Vocabulary>& row, double at) {
    int turn = first_index(ceil_div(Vocabulary, SamplingThreads), [&](int t) {
        return sampling_total<false>(row, [=](u32, int token) { return token < (t + 1) * SamplingThreads; }) > at;
    });
    int first = turn * SamplingThreads, thread = int(threadIdx.x);
    float before = sampling_total<false>(row, [=](u32, int token) { return token < first; });
    float mine = first + thread < Vocabulary ? row.weights[first + thread] : 0.0f;
    int upto = first_index(SamplingThreads, [&](int t) { return before + block_sum<SamplingThreads>(thread <= t ? mine : 0.0f, row.scratch) > at; });
    // Rounding may leave the draw just behind all of them: then it is the last that can be.
    return first + int(block_max<SamplingThreads>(thread <= upto && mine > 0.0f ? float(thread) : 0.0f, row.scratch));
}

// Gathers the weights from a power of two on, the lowest one above which there are no more than a head holds. False: it holds none.
template <int Vocabulary>
__device__ __forceinline__ bool gather_head(const SamplingRow<Vocabulary>& row, SamplingHead& head) {
    constexpr int Levels = 8;
    constexpr int Exponents[Levels] = {1, 2, 3, 4, 6, 8, 11, 15};
    __shared__ u32 counted[SamplingThreads / 32][Levels];
    __shared__ float weights[SamplingHead::Most];
    __shared__ int tokens[SamplingHead::Most];
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32, level = -1;
    u32 counts[Levels] = {}, bound = 0, mine = 0, at = 0;
    row.each([&](float weight, int) {
#pragma unroll
        for (int l = 0; l < Levels; l++) counts[l] += __float_as_uint(weight) >= u32(127 - Exponents[l]) << 23 ? 1u : 0u;
    });
#pragma unroll
    for (int l = 0; l < Levels; l++) {
        u32 sum = warp_sum(counts[l]);
        if (lane == 0) counted[warp][l] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int l = 0; l < Levels; l++) {
        u32 here = lane < SamplingThreads / 32 ? counted[lane][l] : 0u, all = warp_sum(here), before = warp_sum(lane < warp ? here : 0u);
        if (all > u32(SamplingHead::Most)) continue;
        level = l;
        bound = u32(127 - Exponents[l]) << 23;
        mine = counts[l];
        at = before;
        head.count = int(all);
    }
    if (level < 0) return false;
    u32 upto = mine;
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) { u32 other = __shfl_up_sync(0xffffffffu, upto, d); if (lane >= d) upto += other; }
    at += upto - mine;
    row.each([&](float weight, int token) {
        if (__float_as_uint(weight) < bound) return;
        weights[at] = weight;
        tokens[at++] = token;
    });
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SamplingHead::Each; i++) {
        int place = i * SamplingThreads + thread;
        head.weight[i] = place < head.count ? weights[place] : 0.0f;
        head.token[i] = place < head.count ? tokens[place] : 0;
    }
    return true;
}

// The logit of a token, divided where it is in the text; what is not a number is less than all that is.
__device__ __forceinline__ float penalised_logit(float x, int token, const SamplingSettings& s, const u32* marks) {
    if (s.repetition_penalty != 1.0f && (marks[token / 32] >> (token % 32) & 1u) != 0) x = x > 0.0f ? x / s.repetition_penalty : x * s.repetition_penalty;
    return x != x ? -MODGEN_INFINITY : x;
}

// Reads the logits of a row and leaves weights in their place: 1 for the largest alone where that is infinite. Returns the largest.
template <int Vocabulary>
__device__ __forceinline__ float weigh_logits(const SamplingRow<Vocabulary>& row, const SamplingSettings& s, const u32* marks) {
    auto penalised = [&](float x, int token) { return penalised_logit(x, token, s, marks); };
    float largest = -MODGEN_INFINITY;
    row.each([&](float x, int token) { largest = fmaxf(largest, penalised(x, token)); });
    largest = block_max<SamplingThreads>(largest, row.scratch);
    bool certain = largest == MODGEN_INFINITY;
    constexpr int Ahead = 8;
    for (int first = int(threadIdx.x); first < Vocabulary; first += Ahead * SamplingThreads) {
        float v[Ahead];
#pragma unroll
        for (int i = 0; i < Ahead; i++) v[i] = first + i * SamplingThreads < Vocabulary ? row.weights[first + i * SamplingThreads] : 0.0f;
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            int token = first + i * SamplingThreads;
            if (token >= Vocabulary) continue;
            float x = penalised(v[i], token);
            row.weights[token] = x == largest ? 1.0f : certain ? 0.0f : expf((x - largest) / s.temperature);
        }
    }
    return largest;
}

// A token and its logit; better is the larger, of equals the first.
struct SamplingBest {
    float logit;
    int token;
    __device__ __forceinline__ void meet(float x, int t) {
        if (x > logit || (x == logit && t < token)) logit = x, token = t;
    }
};

// The likeliest token in one pass, or -1 where no logit is finite, nor positively infinite.
template <int Vocabulary, class Penalised>
__device__ __forceinline__ int likeliest(const float* logits, Penalised penalised) {
    __shared__ float tops[SamplingThreads / 32];
    __shared__ int tokens[SamplingThreads / 32];
    constexpr int Group = group_of(Vocabulary, 4), Groups = Vocabulary / Group, Ahead = 8;
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    SamplingBest best{-MODGEN_INFINITY, Vocabulary};
    for (int first = int(threadIdx.x); first < Groups; first += Ahead * SamplingThreads) {
        float v[Ahead][Group];
#pragma unroll
        for (int i = 0; i < Ahead; i++) load(logits + minimum(first + i * SamplingThreads, Groups - 1) * Group, v[i]);
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            int token = minimum(first + i * SamplingThreads, Groups - 1) * Group;
#pragma unroll
            for (int e = 0; e < Group; e++) best.meet(penalised(v[i][e], token + e), token + e);
        }
    }
    auto meet_warp = [&]() {
#pragma unroll
        for (int d = 16; d > 0; d >>= 1) {
            float x = __shfl_xor_sync(0xffffffffu, best.logit, d);
            best.meet(x, __shfl_xor_sync(0xffffffffu, best.token, d));
        }
    };
    meet_warp();
    if (lane == 0) { tops[warp] = best.logit; tokens[warp] = best.token; }
    __syncthreads();
    best = lane < SamplingThreads / 32 ? SamplingBest{tops[lane], tokens[lane]} : SamplingBest{-MODGEN_INFINITY, Vocabulary};
    meet_warp();
    return best.logit > -MODGEN_INFINITY ? best.token : -1;
}

// logits (rows, Vocabulary) are used up. Row i belongs to slots[i], whose text has counts[slot] tokens; seen (slots, Vocabulary / 32,
// rounded up) has a bit a token that is in the text. chosen (rows): the token, marked as seen, or -1 where no logit is finite.
template <int Vocabulary>
__device__ __forceinline__ void sample_tokens(float* logits, const int* slots, const SamplingSettings* settings, const int* counts, u32* seen, int* chosen, Rows rows) {
    __shared__ float scratch[SamplingThreads / 32];
    wait_for_previous_kernel();
    let_next_kernel_start();
    int index = int(blockIdx.x), token = -1;
    if (index >= rows.count()) return;
    int slot = slots[index];
    SamplingSettings s = settings[slot];
    u32* marks = seen + i64(slot) * ceil_div(Vocabulary, 32);
    SamplingRow<Vocabulary> row{logits + i64(index) * Vocabulary, scratch};
    if (s.temperature == 0.0f || s.top_k == 1) {
        token = likeliest<Vocabulary>(row.weights, [&](float x, int t) { return penalised_logit(x, t, s, marks); });
    } else if (float largest = weigh_logits(row, s, marks); largest == MODGEN_INFINITY) {
        token = first_of(row, 0x3f800000u);
    } else if (largest > -MODGEN_INFINITY) {
        bool counts_tokens = s.top_k > 0 && s.top_k < Vocabulary;
        double uniform = sampling_draw(s.seed, u64(i64(s.row)), u64(i64(counts[slot])));
        float mass = mass_above(row, 0);
        SamplingHead head;
        head.scratch = scratch;
        if (!counts_tokens && s.top_p >= 1.0f) token = draw_in_order(row, uniform * mass);
        else if (gather_head(row, head) && (counts_tokens ? head.count >= s.top_k : mass_from(head, 1) >= s.top_p * mass))
            token = draw_of_cut<Vocabulary>(head, s, counts_tokens, mass, uniform);
        else token = draw_of_cut<Vocabulary>(row, s, counts_tokens, mass, uniform);
    }
    if (threadIdx.x != 0) return;
    chosen[index] = token;
    if (token >= 0) marks[token / 32] |= 1u << (token % 32);
}
