// Choosing the next token of every text on the device: temperature, top-k, top-p and repetition penalty, as TokenPicker does on the
// CPU with the same draws and the same order of equals, in float32 instead of float64. Under limits the largest weights are sorted, as
// far as the answer lies among some thousands of them, as it mostly does; else it is searched for.
// Families: prelude vectors routing sampling_rows sampling_weights sampling_head sampling_search sample_tokens. Launch: 512 threads, a block a row.

// Uniform in [0, 1), 53 bits: CounterRandom(seed, Hash(row, position)).NextDouble().
__device__ __forceinline__ double sampling_draw(u64 seed, u64 row, u64 position) {
    constexpr u64 Golden = 0x9E3779B97F4A7C15ull;
    u64 stream = mix(row ^ mix((position + Golden) ^ mix(0xD1B54A32D192ED03ull)));
    u64 key = mix(seed ^ mix(stream + Golden));
    return double(mix(key + Golden) >> 11) * (1.0 / 9007199254740992.0);
}

// logits (rows, Vocabulary) are used up. Row i belongs to slots[i], whose text has counts[slot] tokens; seen (slots, Vocabulary / 32,
// rounded up) has a bit a token that is in the text. chosen (rows): the token, marked as seen, or -1 where no logit is finite.
template <int Vocabulary>
__device__ __forceinline__ void sample_tokens(float* logits, const int* slots, const SamplingSettings* settings, const int* counts, u32* seen, int* chosen, Rows rows) {
    using Row = SamplingRow<Vocabulary>;
    constexpr int Each = ceil_div(Row::Stretches, SamplingThreads);
    __shared__ float scratch[SamplingWarps];
    __shared__ u64 keys[SamplingMost];
    static_assert(Vocabulary <= Row::Group * 262144, "sums of stretches lie where the largest weights are sorted");
    static_assert(Row::Stretches * sizeof(float) <= sizeof keys, "which holds those of 262144 groups");
    wait_for_previous_kernel();
    let_next_kernel_start();
    int index = int(blockIdx.x), thread = int(threadIdx.x);
    if (index >= rows.count()) return;
    int slot = slots[index];
    SamplingSettings s = settings[slot];
    u32* marks = seen + i64(slot) * ceil_div(Vocabulary, 32);
    Row row{logits + i64(index) * Vocabulary, scratch};
    SamplingBest best = likeliest(row, s, marks);
    int token = best.logit > -MODGEN_INFINITY ? best.token : -1;
    if (token >= 0 && best.logit < MODGEN_INFINITY && s.temperature != 0.0f && s.top_k != 1) {
        float* stretches = reinterpret_cast<float*>(keys);
        SamplingLevels levels;
        weigh_logits(row, best.logit, s.temperature, stretches, levels);
        float mine = 0.0f, mass;
#pragma unroll
        for (int i = 0; i < Each; i++) mine += thread * Each + i < Row::Stretches ? stretches[thread * Each + i] : 0.0f;
        float before = block_before(mine, scratch, mass);
        bool counts_tokens = s.top_k > 0 && s.top_k < Vocabulary;
        double uniform = sampling_draw(s.seed, u64(i64(s.row)), u64(i64(counts[slot])));
        if (!counts_tokens && s.top_p >= 1.0f) {
            token = draw_in_order<Vocabulary, Each>(row, stretches, mine, before, uniform * mass);
        } else {
            token = -1;
#pragma unroll 1
            for (int most = SamplingMost / 4; token < 0 && most <= SamplingMost; most *= 4) {
                SamplingHead head = gather_head(row, levels, most, keys);
                if (counts_tokens ? head.count < s.top_k : !(head.mass >= s.top_p * mass)) continue;
                sort_keys(keys, head.count);
                token = draw_sorted(keys, head.count, s, counts_tokens, mass, uniform, scratch);
            }
            if (token < 0) token = draw_of_cut<Vocabulary>(row, s, counts_tokens, mass_above(row, 0), uniform);
        }
    }
    if (thread != 0) return;
    chosen[index] = token;
    if (token >= 0) marks[token / 32] |= 1u << (token % 32);
}
