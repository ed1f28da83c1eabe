// Causal attention: the shape of a head group, the order of work and the softmax, shared by both families.
//
// Queries, keys and values lie in one matrix (batch, length, (Heads + 2 KeyValueHeads) Width) bf16: query heads, key
// heads, value heads; query head h reads key head h / (Heads / KeyValueHeads). A thread holds two rows, r and r + 8, of a tile of
// scores: s[4j..4j+3] = S[r][c], S[r][c+1], S[r+8][c], S[r+8][c+1] with c = 8j + 2 (lane % 4), as wgmma and mma.sync leave them.

template <int Width_, int Heads_, int KeyValueHeads_>
struct AttentionHeads {
    static constexpr int Width = Width_, Heads = Heads_, KeyValueHeads = KeyValueHeads_, Group = Heads / KeyValueHeads;
    static constexpr int Columns = (Heads + 2 * KeyValueHeads) * Width;
    static constexpr int Panels = ceil_div(Width, 64), Panel = 64 * 64 * 2, StripBytes = Panels * Panel;  // of 64 rows x 128 bytes, as TMA lays them
    static_assert(Width % 16 == 0 && Width <= 128, "heads are whole steps of the matrix instruction");
    static_assert(Heads % KeyValueHeads == 0, "every key head serves as many query heads");
    static __device__ __forceinline__ int query_column(int head) { return head * Width; }
    static __device__ __forceinline__ int key_column(int head) { return (Heads + head) * Width; }
    static __device__ __forceinline__ int value_column(int head) { return (Heads + KeyValueHeads + head) * Width; }
};

struct AttentionUnit { int tile, head, sequence; };

// The unit at place `at` of the order: heads in groups of Together, whose keys and values stay in the second-level cache;
// within a group the longest tiles first (the last ones of queries, `descending`; the first ones of keys).
__device__ __forceinline__ bool attention_unit(int at, int tiles, int heads, int batch, bool descending, AttentionUnit& u) {
    constexpr int Together = 32;
    int pairs = heads * batch;
    if (at >= tiles * pairs) return false;
    int group = at / (Together * tiles), inside = at - group * Together * tiles, members = minimum(Together, pairs - group * Together);
    int step = inside / members, pair = group * Together + inside - step * members;
    u.tile = descending ? tiles - 1 - step : step;
    u.sequence = pair / heads;
    u.head = pair - u.sequence * heads;
    return true;
}

// Running maxima and sums of the two rows a thread holds a part of; sums are the thread's own until the end.
struct SoftmaxRows { float max[2], sum[2], decay[2]; };

// Scores to exp2(scale . (s - max)), in place; `decay` is what earlier sums and outputs are to be scaled by.
template <bool First, int N>
__device__ __forceinline__ void softmax_step(float (&s)[N], SoftmaxRows& rows, float scale) {
    float top[2] = {First ? s[0] : rows.max[0], First ? s[2] : rows.max[1]};
#pragma unroll
    for (int j = 0; j < N; j += 4) {
        top[0] = fmaxf(top[0], fmaxf(s[j], s[j + 1]));
        top[1] = fmaxf(top[1], fmaxf(s[j + 2], s[j + 3]));
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        top[r] = fmaxf(top[r], __shfl_xor_sync(0xffffffffu, top[r], 1));
        top[r] = fmaxf(top[r], __shfl_xor_sync(0xffffffffu, top[r], 2));
        rows.decay[r] = First ? 0.0f : exp2_fast((rows.max[r] - top[r]) * scale);
        rows.max[r] = top[r];
        top[r] *= scale;
        rows.sum[r] = First ? 0.0f : rows.sum[r] * rows.decay[r];
    }
    float more[2] = {0.0f, 0.0f};
#pragma unroll
    for (int j = 0; j < N; j += 4) {
        s[j] = exp2_fast(fmaf(s[j], scale, -top[0]));
        s[j + 1] = exp2_fast(fmaf(s[j + 1], scale, -top[0]));
        s[j + 2] = exp2_fast(fmaf(s[j + 2], scale, -top[1]));
        s[j + 3] = exp2_fast(fmaf(s[j + 3], scale, -top[1]));
        rows.sum[0] += s[j];
        more[0] += s[j + 1];
        rows.sum[1] += s[j + 2];
        more[1] += s[j + 3];
    }
    rows.sum[0] += more[0];
    rows.sum[1] += more[1];
}

// Accumulators to the bfloat16 fragments of the next product's left operand.
template <int N>
__device__ __forceinline__ void attention_pack(const float (&s)[N], u32 (&p)[N / 2]) {
#pragma unroll
    for (int i = 0; i < N / 2; i++) p[i] = pack(s[2 * i], s[2 * i + 1]);
}

