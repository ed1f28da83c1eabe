// Decoding: the products of a layer and of the head as kernels of their own, bfloat16, for up to MaxRows rows (1, 8, 16, 24 or 32)
// counted on the device. docs/kernels/emit.md says which kernels make up a step. Weights are as the model holds them: qkv
// (Heads + 2 KeyValueHeads) Width rows, gate_up 2 FeedForward rows, gates first. Families: prelude sm80 cached_attention
// decode_products decode_layer.
//
// Launch: decode_threads(K, MaxRows) threads, decode_blocks(K, Pairs, MaxRows) blocks, K the columns of the weights, Pairs as each says.
//
// `of` (rows) are the stream's rows that entered a routed layer, or null where all did; everything else of a layer is compact. The
// norm is part of the product up to eight rows; with more, a kernel before leaves its result in `normed` (rows, K) bf16.

// The product of normed rows: normed here, or by a kernel before.
template <int K, int MaxRows, bool Late, class Op>
__device__ __forceinline__ void decode_normed_product(const Op& op, const bf16* w, const float* x, const float* gain, const bf16* normed, const int* of, float epsilon, Rows rows) {
    if constexpr (MaxRows <= 8) decode_product<K, MaxRows, Late>(op, w, DecodeNormed<K>{x, gain, of, epsilon}, rows);
    else decode_product<K, MaxRows, Late>(op, w, DecodeNarrow<K>{normed}, rows);
}

// Rotary on queries and keys; queries to `q`, keys and values to the cache. Pairs: (Heads + 2 KeyValueHeads) Width / 2.
template <int Heads, int KeyValueHeads, int Width, int Context>
struct DecodeQkvOp {
    static constexpr int Half = Width / 2, Pairs = (Heads + 2 * KeyValueHeads) * Half;
    static_assert(Width % 2 == 0 && Heads % KeyValueHeads == 0, "rotary pairs columns; every key head serves as many query heads");
    const float2* table;
    const int *positions, *sequences, *lengths;
    bf16 *q, *cache;
    struct Kept { float2 angle; bf16* to; };

    __device__ __forceinline__ int low(int pair) const { return pair / Half * Width + pair % Half; }
    __device__ __forceinline__ int high(int pair) const { return low(pair) + Half; }

    __device__ __forceinline__ Kept ask(int pair, int row) const {
        int head = pair / Half;
        Kept kept{make_float2(1.0f, 0.0f), q + (i64(row) * Heads + head) * Width};
        if (head < Heads + KeyValueHeads) kept.angle = table[i64(positions[row]) * Half + pair % Half];
        if (head >= Heads) {
            int sequence = sequences[row], slot = lengths[sequence];
            for (int i = 0; i < row; i++) slot += sequences[i] == sequence;
            // No entry of another sequence is ever written.
            kept.to = slot < Context ? cache + ((i64(sequence) * Context + slot) * 2 * KeyValueHeads + head - Heads) * Width : nullptr;
        }
        return kept;
    }

    __device__ __forceinline__ void finish(const Kept& kept, int pair, int, float low, float high) const {
        if (kept.to == nullptr) return;
        kept.to[pair % Half] = to_bf16(low * kept.angle.x - high * kept.angle.y);
        kept.to[pair % Half + Half] = to_bf16(high * kept.angle.x + low * kept.angle.y);
    }
};

// Norm, QKV, rotary, cache. Routed: the kernel just before has counted the rows.
template <int K, int Heads, int KeyValueHeads, int Width, int Context, int MaxRows, bool Routed>
__device__ __forceinline__ void decode_qkv(const bf16* w, const float* x, const float* gain, const bf16* normed, const float2* table, const int* positions,
                                           const int* sequences, const int* lengths, const int* of, bf16* q, bf16* cache, Rows rows, float epsilon) {
    DecodeQkvOp<Heads, KeyValueHeads, Width, Context> op{table, positions, sequences, lengths, q, cache};
    decode_normed_product<K, MaxRows, Routed>(op, w, x, gain, normed, of, epsilon, rows);
}

// SwiGLU. Pairs: FeedForward.
template <int FeedForward>
struct DecodeGateUpOp {
    static constexpr int Pairs = FeedForward;
    bf16* hidden;
    struct Kept { };
    __device__ __forceinline__ int low(int pair) const { return pair; }
    __device__ __forceinline__ int high(int pair) const { return pair + FeedForward; }
    __device__ __forceinline__ Kept ask(int, int) const { return {}; }
    __device__ __forceinline__ void finish(const Kept&, int pair, int row, float gate, float up) const { hidden[i64(row) * FeedForward + pair] = to_bf16(gate * sigmoid(gate) * up); }
};

// Norm of t (rows, K) f32, both branches, SwiGLU: hidden (rows, FeedForward) bf16.
template <int K, int FeedForward, int MaxRows>
__device__ __forceinline__ void decode_gate_up(const bf16* w, const float* t, const float* gain, const bf16* normed, bf16* hidden, Rows rows, float epsilon) {
    decode_normed_product<K, MaxRows, false>(DecodeGateUpOp<FeedForward>{hidden}, w, t, gain, normed, nullptr, epsilon, rows);
}

// Neighbouring outputs of N; the one past an odd N is made of the last row again and dropped. Pairs: ceil(N / 2).
template <int N>
struct DecodeNeighbours {
    static constexpr int Pairs = (N + 1) / 2;
    __device__ __forceinline__ int low(int pair) const { return 2 * pair; }
    __device__ __forceinline__ int high(int pair) const { return minimum(2 * pair + 1, N - 1); }
    static __device__ __forceinline__ float2 load(const float* row, int pair) {
        if constexpr (N % 2 == 0) return *reinterpret_cast<const float2*>(row + 2 * pair);
        else return make_float2(row[2 * pair], row[minimum(2 * pair + 1, N - 1)]);
    }
    static __device__ __forceinline__ void store(float* row, int pair, float low, float high) {
        if constexpr (N % 2 == 0) {
            *reinterpret_cast<float2*>(row + 2 * pair) = make_float2(low, high);
        } else {
            row[2 * pair] = low;
            if (2 * pair + 1 < N) row[2 * pair + 1] = high;
        }
    }
};

template <int N>
struct DecodeAddOp : DecodeNeighbours<N> {
    const float* from;  // (rows of the stream, N) f32, rows `of`
    const int* of;
    float* to;          // (rows, N) f32
    using Kept = float2;
    __device__ __forceinline__ DecodeAddOp(const float* from_, const int* of_, float* to_) : from(from_), of(of_), to(to_) { }
    __device__ __forceinline__ Kept ask(int pair, int row) const { return this->load(from + i64(of == nullptr ? row : of[row]) * N, pair); }
    __device__ __forceinline__ void finish(const Kept& kept, int pair, int row, float low, float high) const { this->store(to + i64(row) * N, pair, kept.x + low, kept.y + high); }
};

// t (rows, N) = x[of] + W o, and lengths[s] += rows of s, which attention has read for the last time in this step.
template <int K, int N, int MaxRows>
__device__ __forceinline__ void decode_attention_output(const bf16* w, const bf16* o, const float* x, const int* of, float* t, const int* sequences, int* lengths, Rows rows) {
    decode_product<K, MaxRows, false>(DecodeAddOp<N>(x, of, t), w, DecodeNarrow<K>{o}, rows);
    int i = int(threadIdx.x), count = rows.count();
    if (blockIdx.x > 0 || i >= count) return;
    int sequence = sequences[i], all = 0;
    for (int j = 0; j < count; j++) {
        if (sequences[j] != sequence) continue;
        if (j < i) return;  // counted by an earlier row
        all++;
    }
    lengths[sequence] += all;
}

template <int N>
struct DecodeGatedOp : DecodeNeighbours<N> {
    const float *t, *gates;  // (rows, N), (rows) f32; no gates: 1
    float* x;
    const int* of;
    struct Kept { float2 before, sum; float gate; };
    __device__ __forceinline__ DecodeGatedOp(const float* t_, const float* gates_, float* x_, const int* of_) : t(t_), gates(gates_), x(x_), of(of_) { }
    __device__ __forceinline__ Kept ask(int pair, int row) const { return {this->load(x + i64(of[row]) * N, pair), this->load(t + i64(row) * N, pair), gates == nullptr ? 1.0f : gates[row]}; }
    __device__ __forceinline__ void finish(const Kept& k, int pair, int row, float low, float high) const {
        this->store(x + i64(of[row]) * N, pair, k.before.x + k.gate * (k.sum.x - k.before.x + low), k.before.y + k.gate * (k.sum.y - k.before.y + high));
    }
};

// The end of a layer, W (N, K): x = t + W hidden; of a routed one x[of] += gate (t - x[of] + W hidden), with null for gates of 1.
template <int K, int N, int MaxRows>
__device__ __forceinline__ void decode_down(const bf16* w, const bf16* hidden, const float* t, float* x, Rows rows) {
    decode_product<K, MaxRows, false>(DecodeAddOp<N>(t, nullptr, x), w, DecodeNarrow<K>{hidden}, rows);
}

template <int K, int N, int MaxRows>
__device__ __forceinline__ void decode_down_routed(const bf16* w, const bf16* hidden, const float* t, const float* gates, const int* of, float* x, Rows rows) {
    decode_product<K, MaxRows, false>(DecodeGatedOp<N>(t, gates, x, of), w, DecodeNarrow<K>{hidden}, rows);
}

template <int N>
struct DecodeStoreOp : DecodeNeighbours<N> {
    float* to;  // (rows, N) f32
    struct Kept { };
    __device__ __forceinline__ explicit DecodeStoreOp(float* to_) : to(to_) { }
    __device__ __forceinline__ Kept ask(int, int) const { return {}; }
    __device__ __forceinline__ void finish(const Kept&, int pair, int row, float low, float high) const { this->store(to + i64(row) * N, pair, low, high); }
};

// Norm of x[of] and the vocabulary's logits (rows, Vocabulary) f32. `of`: the rows whose logits are wanted, or null.
template <int K, int Vocabulary, int MaxRows>
__device__ __forceinline__ void decode_logits(const bf16* w, const float* x, const float* gain, const bf16* normed, const int* of, float* logits, Rows rows, float epsilon) {
    decode_normed_product<K, MaxRows, false>(DecodeStoreOp<Vocabulary>(logits), w, x, gain, normed, of, epsilon, rows);
    wait_for_previous_kernel();  // the last kernel of a step ends after all others also where no logits are wanted
}
