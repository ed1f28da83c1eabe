// The weights of a row of logits, e^((logit - largest) / T), at most 1, in the logits' place; the likeliest token; and the draw where no
// limit asks for the tokens' order. Parts of sample_tokens. Blocks of 512 threads.

constexpr int SamplingThreads = 512, SamplingWarps = SamplingThreads / 32;

// What the threads before this one have of x, and what all have. `scratch` holds a float a warp.
__device__ __forceinline__ float block_before(float x, float* scratch, float& all) {
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    float mine = warp_upto(x), in_warp = __shfl_up_sync(0xffffffffu, mine, 1);
    __syncthreads();
    if (lane == 31) scratch[warp] = mine;
    __syncthreads();
    float warps = warp_upto(lane < SamplingWarps ? scratch[lane] : 0.0f), before = __shfl_sync(0xffffffffu, warps, maximum(warp - 1, 0));
    all = __shfl_sync(0xffffffffu, warps, SamplingWarps - 1);
    return (warp > 0 ? before : 0.0f) + (lane > 0 ? in_warp : 0.0f);
}

// A row over the threads of a block, in turns of a group of neighbours a thread; what a warp has of a turn is a stretch of the row.
template <int Vocabulary>
struct SamplingRow {
    static constexpr int Group = group_of(Vocabulary, 4), Groups = Vocabulary / Group, Turns = ceil_div(Groups, SamplingThreads);
    static constexpr int Ahead = minimum(Turns, 4), Stretch = 32 * Group, Stretches = Turns * SamplingWarps;
    float* values;
    float* scratch;

    static __device__ __forceinline__ int group(int turn) { return turn * SamplingThreads + int(threadIdx.x); }
    static __device__ __forceinline__ bool has(int turn) { return Groups % (Ahead * SamplingThreads) == 0 || group(turn) < Groups; }

    __device__ __forceinline__ void read(int turn, float (&v)[Group], float none) const {
        const float* from = values + minimum(group(turn), Groups - 1) * Group;
        if constexpr (Group == 4) {
            float4 w = *reinterpret_cast<const float4*>(from);
            v[0] = w.x; v[1] = w.y; v[2] = w.z; v[3] = w.w;
        } else {
#pragma unroll
            for (int e = 0; e < Group; e++) v[e] = from[e];
        }
        if (!has(turn)) {
#pragma unroll
            for (int e = 0; e < Group; e++) v[e] = none;
        }
    }

    __device__ __forceinline__ void write(int turn, const float (&v)[Group]) const {
        if (has(turn)) store(values + group(turn) * Group, v);
    }

    // body(first turn, values) for some turns at a time, so that their reads are under way together; `none` where there is nothing.
    template <class Body>
    __device__ __forceinline__ void turns(float none, Body body) const {
#pragma unroll 1
        for (int first = 0; first < Turns; first += Ahead) {
            float v[Ahead][Group];
#pragma unroll
            for (int i = 0; i < Ahead; i++) read(first + i, v[i], none);
            body(first, v);
        }
    }

    // body(value, token) for all that this thread has, and with 0 where the row has come to its end.
    template <class Body>
    __device__ __forceinline__ void each(Body body) const {
        turns(0.0f, [&](int first, float (&v)[Ahead][Group]) {
#pragma unroll
            for (int i = 0; i < Ahead; i++)
#pragma unroll
                for (int e = 0; e < Group; e++) body(v[i][e], group(first + i) * Group + e);
        });
    }
};

// A token and its logit; better is the larger, of equals the first. What is not a number is never better.
struct SamplingBest {
    float logit;
    int token;
    __device__ __forceinline__ void meet(float x, int t) {
        if (x > logit || (x == logit && t < token)) logit = x, token = t;
    }
};

// The likeliest token; on the way the logits of tokens in the text are penalised. marks: a bit a token. -infinity where there is none.
template <int Vocabulary>
__device__ __forceinline__ SamplingBest likeliest(const SamplingRow<Vocabulary>& row, const SamplingSettings& s, const u32* marks) {
    using Row = SamplingRow<Vocabulary>;
    __shared__ float tops[SamplingWarps];
    __shared__ int tokens[SamplingWarps];
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    SamplingBest best{-MODGEN_INFINITY, Vocabulary};
    bool penalises = s.repetition_penalty != 1.0f;
    row.turns(-MODGEN_INFINITY, [&](int first, float (&v)[Row::Ahead][Row::Group]) {
        if (penalises) {
            u32 words[Row::Ahead];
#pragma unroll
            for (int i = 0; i < Row::Ahead; i++) {
                int token = minimum(row.group(first + i), Row::Groups - 1) * Row::Group;
                words[i] = marks[token / 32] >> token % 32;  // a group lies within a word
            }
#pragma unroll
            for (int i = 0; i < Row::Ahead; i++) {
#pragma unroll
                for (int e = 0; e < Row::Group; e++)
                    if ((words[i] >> e & 1u) != 0) v[i][e] = v[i][e] > 0.0f ? v[i][e] / s.repetition_penalty : v[i][e] * s.repetition_penalty;
                row.write(first + i, v[i]);
            }
        }
#pragma unroll
        for (int i = 0; i < Row::Ahead; i++)
#pragma unroll
            for (int e = 0; e < Row::Group; e++) best.meet(v[i][e], row.group(first + i) * Row::Group + e);
    });
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
    best = lane < SamplingWarps ? SamplingBest{tops[lane], tokens[lane]} : SamplingBest{-MODGEN_INFINITY, Vocabulary};
    meet_warp();
    return best;
}

// How many weights a thread has by their size. Level l holds those of 2^-l and more that no level before has; from level 13 on levels are wider,
// down to 2^-31. Counted in bytes for a few turns, and then added up.
struct SamplingLevels {
    static constexpr int Levels = 16;
    u32 counts[Levels] = {};
    u64 few[2] = {};
    static __device__ __forceinline__ u32 bound(int level) { return u32(127 - (level < 13 ? level : level == 13 ? 15 : level == 14 ? 21 : 31)) << 23; }
    __device__ __forceinline__ void count(float weight) {
        u32 exponent = 127u - (__float_as_uint(weight) >> 23);
        u64 levels = exponent < 16 ? 0xdddcba9876543210ull : 0xffffffffffeeeeeeull;  // of sixteen exponents, four bits each
        u32 level = u32(levels >> exponent % 16 * 4) & 15u;
        u64 one = u64(1) << (level % 8 * 8);
        if (exponent >= 32) return;
        if (level < 8) few[0] += one;
        else few[1] += one;
    }
    __device__ __forceinline__ void add_up() {
#pragma unroll
        for (int l = 0; l < Levels; l++) counts[l] += u32(few[l / 8] >> l % 8 * 8) & 255u;
        few[0] = few[1] = 0;
    }
};

// Weights in the place of logits, the sum of each stretch in `stretches`. The largest is finite.
template <int Vocabulary>
__device__ __forceinline__ void weigh_logits(const SamplingRow<Vocabulary>& row, float largest, float temperature, float* stretches, SamplingLevels& levels) {
    using Row = SamplingRow<Vocabulary>;
    static_assert(Row::Ahead * Row::Group < 256, "counts of some turns are bytes");
    float scale = 1.4426950408889634f / temperature;
    row.turns(-MODGEN_INFINITY, [&](int first, float (&v)[Row::Ahead][Row::Group]) {
        float sums[Row::Ahead];
#pragma unroll
        for (int i = 0; i < Row::Ahead; i++) {
            sums[i] = 0.0f;
#pragma unroll
            for (int e = 0; e < Row::Group; e++) {
                float weight = v[i][e] == largest ? 1.0f : exp2_fast((v[i][e] - largest) * scale);
                v[i][e] = weight > 0.0f ? weight : 0.0f;  // 0 for what is not a number
                sums[i] += v[i][e];
                levels.count(v[i][e]);
            }
            row.write(first + i, v[i]);
        }
        levels.add_up();
#pragma unroll
        for (int i = 0; i < Row::Ahead; i++) {
            float sum = warp_sum(sums[i]);
            if (threadIdx.x % 32 == 0 && first + i < Row::Turns) stretches[(first + i) * SamplingWarps + int(threadIdx.x) / 32] = sum;
        }
    });
    __syncthreads();
}

// The token on which a draw falls, the tokens lying in order of their ids: the stretch, then the token. `mine` is the sum of this thread's
// stretches, Each from thread * Each on, and `before` that of the threads before it.
template <int Vocabulary, int Each>
__device__ __forceinline__ int draw_in_order(const SamplingRow<Vocabulary>& row, const float* stretches, float mine, float before, double at) {
    using Row = SamplingRow<Vocabulary>;
    __shared__ int place;
    __shared__ float rest;
    int thread = int(threadIdx.x), lane = thread % 32;
    // The last that begins at or before the draw. The first one that has anything begins at 0.
    int owner = int(block_max<SamplingThreads>(mine > 0.0f && before <= at ? float(thread) : -1.0f, row.scratch));
    if (thread == owner) {
        float left = float(at - before);
        for (int i = 0; i < Each && thread * Each + i < Row::Stretches; i++) {
            float sum = stretches[thread * Each + i];
            if (sum > 0.0f && left >= 0.0f) place = thread * Each + i, rest = left;
            left -= sum;
        }
    }
    __syncthreads();
    float v[Row::Group], sum = 0.0f, left = rest;
    int first = place * Row::Stretch + lane * Row::Group, token = -1;
#pragma unroll
    for (int e = 0; e < Row::Group; e++) {
        v[e] = first + e < Vocabulary ? row.values[first + e] : 0.0f;
        sum += v[e];
    }
    float reached = __shfl_up_sync(0xffffffffu, warp_upto(sum), 1);
    if (lane == 0) reached = 0.0f;
#pragma unroll
    for (int e = 0; e < Row::Group; e++) {
        if (v[e] > 0.0f && reached <= left) token = first + e;
        reached += v[e];
    }
    return int(warp_max(float(token)));
}
