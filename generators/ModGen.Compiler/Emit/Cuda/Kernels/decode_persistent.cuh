// Decoding: a layer for one row as one kernel whose blocks are all resident and wait for one another, bfloat16. A routed layer that the
// row does not enter costs one launch that reads two rows. Families: prelude vectors sm80 routing cached_attention decode_products decode_layer
// decode_persistent.
//
// Launch: Blocks blocks of 512 threads, as many as there are multiprocessors, so that each finds a place. With programmatic dependent
// launch the next kernel's blocks come only once all of these have started, since every one says so after it has; and no other kernel
// of this kind may be under way on the device.
//
//   choice              every block decides by itself, from the same sums in the same order; one that does not enter leaves
//   norm, qkv, rotary   queries to q, key and value to the cache                          | all blocks wait
//   attention           parts of the keys of a head: partial softmaxes                    | all blocks wait
//   combination, output t = x + W o                                                       | all blocks wait
//   norm, gate_up       hidden                                                            | all blocks wait
//   down                x, the cache's length
//
// Waiting is what it costs, so a product's weights are asked for before the wait in front of it. Not all of the layer's at once: what
// blocks tell each other would wait behind them.

constexpr int PersistentWarps = 16, PersistentThreads = 32 * PersistentWarps;
constexpr int PersistentSteps = 3;  // of 256 columns of a pair of rows that a warp holds: 8 registers each

// For __launch_bounds__: more threads than there are, so that registers are left for the blocks of the kernels before and after.
__host__ __device__ constexpr int persistent_bound(int heads, int key_value_heads) { return cached_attention_heads(heads / key_value_heads) == 1 ? 768 : PersistentThreads; }

// Slices that the columns of a pair are cut into: those with which the busiest warp has least to do.
__host__ __device__ constexpr int persistent_slices(int steps, int pairs) {
    int best = 0, least = 1 << 30;
    for (int slices = 1; slices <= steps; slices++) {
        if (steps % slices != 0 || steps / slices > PersistentSteps) continue;
        int most = ceil_div(pairs * slices, PersistentWarps) * (steps / slices);
        if (most < least) least = most, best = slices;
    }
    return best;
}

// A wait of all blocks. The last to arrive turns the counter's highest bit, and its other bits are zero again. Results do not
// depend on who that is.
template <int Blocks>
struct PersistentBarrier {
    u32* counter;
    u32 before = 0;
    static constexpr u32 Turned = 0x80000000u;
    __device__ __forceinline__ explicit PersistentBarrier(u32* counter_) : counter(counter_) { }
    __device__ __forceinline__ void begin() { if (threadIdx.x == 0) before = load_acquire(counter); }
    // What the block has written is there for all; the block's threads have met, or the first warp wrote all of it.
    __device__ __forceinline__ void arrive() const {
        if (threadIdx.x >= 32) return;
        __syncwarp();
        if (threadIdx.x == 0) add_release(counter, blockIdx.x == 0 ? Turned - u32(Blocks - 1) : 1u);
    }
    __device__ __forceinline__ void wait() {
        if (threadIdx.x == 0) {
            while (((load_acquire(counter) ^ before) & Turned) == 0) { }
            before ^= Turned;
        }
        __syncthreads();
    }
};

// A product's input in shared memory, in groups of four columns: a lane's eight columns of a step are two groups of which warps read
// one after the other, without conflicts.
__device__ __forceinline__ int persistent_place(int group) { return group / 64 * 64 + group % 2 * 32 + group % 64 / 2; }

// The sums of both over the block, in every thread; whatever the block has stored in shared memory before is there.
__device__ __forceinline__ float2 persistent_sums(float a, float b, float2 (&scratch)[PersistentWarps]) {
    a = warp_sum(a);
    b = warp_sum(b);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = make_float2(a, b);
    __syncthreads();
    float2 all = make_float2(0.0f, 0.0f);
#pragma unroll
    for (int w = 0; w < PersistentWarps; w++) {
        all.x += scratch[w].x;
        all.y += scratch[w].y;
    }
    return all;
}

// A vector over the threads of the block.
template <int K>
struct PersistentVector {
    static constexpr int Turns = ceil_div(K, 4 * PersistentThreads);
    float4 v[Turns];
    static __device__ __forceinline__ int group(int turn) { return turn * PersistentThreads + int(threadIdx.x); }
    static __device__ __forceinline__ bool has(int turn) { return K % (4 * PersistentThreads) == 0 || group(turn) < K / 4; }
    // What no kernel of the step writes, asked for here.
    __device__ __forceinline__ void ask(const float* from) {
#pragma unroll
        for (int i = 0; i < Turns; i++) v[i] = has(i) ? load_in_place(reinterpret_cast<const float4*>(from) + group(i)) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    __device__ __forceinline__ void read(const float* from) {
#pragma unroll
        for (int i = 0; i < Turns; i++) v[i] = has(i) ? reinterpret_cast<const float4*>(from)[group(i)] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    __device__ __forceinline__ float dot(const PersistentVector& by) const {
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < Turns; i++) sum += v[i].x * by.v[i].x + v[i].y * by.v[i].y + v[i].z * by.v[i].z + v[i].w * by.v[i].w;
        return sum;
    }
    // Leaves the product with `by` as an input.
    __device__ __forceinline__ void stage(const PersistentVector& by, float4* input) const {
#pragma unroll
        for (int i = 0; i < Turns; i++)
            if (has(i)) input[persistent_place(group(i))] = make_float4(v[i].x * by.v[i].x, v[i].y * by.v[i].y, v[i].z * by.v[i].z, v[i].w * by.v[i].w);
    }
};

// A product of a row with Pairs pairs of rows of weights, of which this block makes every Blocks-th. A task is a slice of a pair; a
// warp's tasks are PersistentWarps apart.
template <int K, int Pairs, int Blocks>
struct PersistentProduct {
    static_assert(K % 256 == 0, "a warp takes 256 columns at a time");
    static constexpr int Steps = K / 256, Mine = ceil_div(Pairs, Blocks), Slices = persistent_slices(Steps, Mine), Each = Steps / Slices, Tasks = Mine * Slices;
    static constexpr int Turns = ceil_div(Tasks, PersistentWarps), Held = minimum(Turns, PersistentSteps / Each), Asked = ceil_div(Mine, 32);
    uint4 w[Held][2][Each];

    static __device__ __forceinline__ int task(int turn) { return turn * PersistentWarps + int(threadIdx.x) / 32; }
    static __device__ __forceinline__ int pair(int mine) { return minimum(int(blockIdx.x) + mine * Blocks, Pairs - 1); }
    static __device__ __forceinline__ int column(int task) { return task % Slices * Each * 256 + int(threadIdx.x) % 32 * 8; }

    // Asks for the weights of Held turns.
    template <class Op>
    __device__ __forceinline__ void ask(const Op& op, const bf16* weights, int first = 0) {
#pragma unroll
        for (int i = 0; i < Held; i++) {
            int t = minimum(task(first + i), Tasks - 1), p = pair(t / Slices);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const uint4* from = reinterpret_cast<const uint4*>(weights + i64(r ? op.high(p) : op.low(p)) * K + column(t));
#pragma unroll
                for (int e = 0; e < Each; e++) w[i][r][e] = load_in_place(from + e * 32);
            }
        }
    }

    // Sums of the block's products with `input`, times `scale`, to op.finish in the first warp. The first turns have been asked for.
    template <class Op>
    __device__ __forceinline__ void run(const Op& op, const bf16* weights, const float4* input, float2* sums, float scale) {
        int lane = int(threadIdx.x) % 32;
        typename Op::Kept kept[Asked];
        if (threadIdx.x < 32) {
#pragma unroll
            for (int j = 0; j < Asked; j++) kept[j] = op.ask(pair(minimum(lane + 32 * j, Mine - 1)), 0);
        }
#pragma unroll 1
        for (int first = 0; first < Turns; first += Held) {
            if (first > 0) ask(op, weights, first);
#pragma unroll
            for (int i = 0; i < Held; i++) multiply(task(first + i), w[i], input, sums);
        }
        __syncthreads();
        if (threadIdx.x >= 32) return;
#pragma unroll
        for (int j = 0; j < Asked; j++) {
            int mine = lane + 32 * j;
            float2 sum = make_float2(0.0f, 0.0f);
            if (mine < Mine && int(blockIdx.x) + mine * Blocks < Pairs) {
#pragma unroll
                for (int s = 0; s < Slices; s++) {
                    float2 part = sums[mine * Slices + s];
                    sum.x += part.x;
                    sum.y += part.y;
                }
                op.finish(kept[j], pair(mine), 0, sum.x * scale, sum.y * scale);
            }
        }
    }

    static __device__ __forceinline__ void multiply(int task, const uint4 (&w)[2][Each], const float4* input, float2* sums) {
        if (task >= Tasks) return;
        int lane = int(threadIdx.x) % 32;
        float low = 0.0f, high = 0.0f;
#pragma unroll
        for (int e = 0; e < Each; e++) {
            const float4* from = input + (task % Slices * Each + e) * 64 + lane;
            float4 a = from[0], b = from[32];
            float x[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}, v[8];
            unpack(w[0][e], v);
#pragma unroll
            for (int c = 0; c < 8; c++) low = fmaf(v[c], x[c], low);
            unpack(w[1][e], v);
#pragma unroll
            for (int c = 0; c < 8; c++) high = fmaf(v[c], x[c], high);
        }
        // One half of the warp goes on with the low row, the other with the high one.
        float mine = (lane < 16 ? low : high) + __shfl_xor_sync(0xffffffffu, lane < 16 ? high : low, 16);
#pragma unroll
        for (int d = 8; d > 0; d >>= 1) mine += __shfl_xor_sync(0xffffffffu, mine, d);
        if (lane % 16 == 0) reinterpret_cast<float*>(sums + task)[lane / 16] = mine;
    }
};

// The end of a routed layer for one row: x += gate (t - x + W hidden).
template <int N>
struct PersistentGatedOp : DecodeNeighbours<N> {
    const float* t;
    float* x;
    float gate;
    struct Kept { float2 before, sum; };
    __device__ __forceinline__ PersistentGatedOp(const float* t_, float* x_, float gate_) : t(t_), x(x_), gate(gate_) { }
    __device__ __forceinline__ Kept ask(int pair, int) const { return {this->load(x, pair), this->load(t, pair)}; }
    __device__ __forceinline__ void finish(const Kept& k, int pair, int, float low, float high) const {
        this->store(x, pair, k.before.x + gate * (k.sum.x - k.before.x + low), k.before.y + gate * (k.sum.y - k.before.y + high));
    }
};

// Parts that the keys of a head are split into at most.
__host__ __device__ constexpr int persistent_splits(int heads, int key_value_heads, int blocks) {
    int splits = blocks / cached_attention_blocks(heads, key_value_heads);
    return splits < 1 ? 1 : splits > 8 ? 8 : splits;
}

// x (D) f32, changed in place. logits: the predictor's, or null where the row's own score decides; flags (1): whether it entered. q (A) bf16, partials
// (Heads, splits, Width + 2), t (D) f32 and hidden (F) bf16 are scratch; counter is 0 before the first launch and left to the next. The rest is as for the
// kernels of decode_layer and decode_route, of whose contracts it does all but write who entered. Not Routed: the row enters.
template <int D, int Heads, int KeyValueHeads, int Width, int F, int Context, int Blocks, bool Routed, Gate Kind>
__device__ __forceinline__ void decode_layer_persistent(const float* router, const float* logits, const int* use_forced, const int* forced, int* flags, const int* positions,
                                                        const int* sequences, int* lengths, float* x, const float* gain1, const bf16* w_qkv, const float2* rotary, bf16* cache,
                                                        const bf16* w_out, const float* gain2, const bf16* w_gate_up, const bf16* w_down, bf16* q, float* partials, float* t, bf16* hidden,
                                                        u32* counter, Rows rows, float epsilon) {
    constexpr int A = Heads * Width, Parts = cached_attention_blocks(Heads, KeyValueHeads), Splits = persistent_splits(Heads, KeyValueHeads, Blocks);
    using QkvOp = DecodeQkvOp<Heads, KeyValueHeads, Width, Context>;
    using Qkv = PersistentProduct<D, QkvOp::Pairs, Blocks>;
    using Output = PersistentProduct<A, DecodeAddOp<D>::Pairs, Blocks>;
    using GateUp = PersistentProduct<D, F, Blocks>;
    using Down = PersistentProduct<F, DecodeAddOp<D>::Pairs, Blocks>;
    constexpr int Widest = maximum(maximum(D, A), F), Tasks = maximum(maximum(Qkv::Tasks, Output::Tasks), maximum(GateUp::Tasks, Down::Tasks));
    __shared__ float4 input[Widest / 4];
    __shared__ float2 sums[Tasks], scratch[PersistentWarps];
    __shared__ float score;  // of the row; a register is worth more
    int thread = int(threadIdx.x);
    QkvOp qkv_op{rotary, positions, sequences, lengths, q, cache};
    DecodeAddOp<D> output_op(x, nullptr, t);
    DecodeGateUpOp<F> gate_up_op{hidden};
    DecodeNeighbours<D> down_rows;

    // The choice.
    int count = rows.count(), sequence = 0, length = 0;
    bool force = false, wanted = false;
    if (count > 0) {
        sequence = sequences[0];
        length = lengths[sequence];
        if constexpr (Routed) {
            force = *use_forced != 0;
            wanted = forced[0] != 0;
        }
    }
    PersistentVector<D> gain, stream, by;
    Qkv qkv;
    gain.ask(gain1);
    if constexpr (Routed) {
        by.ask(router);
    } else {
        if (count == 0) return;
        qkv.ask(qkv_op, w_qkv);
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
    if (count == 0) return;
    stream.read(x);
    float logit = Routed && logits != nullptr ? logits[0] : 0.0f;
    stream.stage(gain, input);
    float2 all = persistent_sums(stream.dot(stream), Routed ? stream.dot(by) : 0.0f, scratch);
    if constexpr (Routed) {
        bool enters = force ? wanted : (logits != nullptr ? logit : all.y) > 0.0f;
        if (blockIdx.x == 0 && thread == 0) flags[0] = enters ? 1 : 0;
        if (!enters) return;
        if (thread == 0) score = all.y;
        qkv.ask(qkv_op, w_qkv);
    }
    PersistentBarrier<Blocks> barrier(counter);
    barrier.begin();
    qkv.run(qkv_op, w_qkv, input, sums, rsqrtf(all.x * (1.0f / D) + epsilon));
    barrier.arrive();

    // Attention: units are parts of a head's keys.
    int keys = length + 1, used = minimum(ceil_div(keys, 64), Splits);
    bool waited = false;
    auto wait = [&]() {
        if (!waited) barrier.wait();
        waited = true;
    };
    for (int unit = int(blockIdx.x); unit < Parts * used; unit += Blocks) {
        int part = unit / used, split = unit % used, head = cached_first_head<Heads, KeyValueHeads>(part);
        cached_attention_keys<Heads, KeyValueHeads, Width, true, PersistentWarps, 2>(
            q, cache + i64(sequence) * Context * 2 * KeyValueHeads * Width, part, keys * split / used, keys * (split + 1) / used, length, wait,
            [&](int h, int column, float top, float sum, float out) {
                float* to = partials + ((head + h) * Splits + split) * (Width + 2);
                to[column] = out;
                if (column == 0) { to[Width] = top; to[Width + 1] = sum; }
            });
        __syncthreads();
    }
    wait();
    barrier.arrive();

    Output output;
    GateUp gate_up;
    output.ask(output_op, w_out);
    gate_up.ask(gate_up_op, w_gate_up);
    gain.ask(gain2);
    barrier.wait();
    for (int column = thread; column < A; column += PersistentThreads) {
        const float* from = partials + column / Width * Splits * (Width + 2);
        auto part = cached_combine<Splits>([&](int s) { return s < used ? from[s * (Width + 2) + Width] : -MODGEN_INFINITY; },
                                           [&](int s) { return s < used ? from[s * (Width + 2) + Width + 1] : 0.0f; },
                                           [&](int s) { return s < used ? from[s * (Width + 2) + column % Width] : 0.0f; });
        reinterpret_cast<float*>(input + persistent_place(column / 4))[column % 4] = part.out[0] / part.sum;
    }
    __syncthreads();
    output.run(output_op, w_out, input, sums, 1.0f);
    barrier.arrive();

    barrier.wait();
    stream.read(t);
    stream.stage(gain, input);
    float squares = persistent_sums(stream.dot(stream), 0.0f, scratch).x;
    gate_up.run(gate_up_op, w_gate_up, input, sums, rsqrtf(squares * (1.0f / D) + epsilon));
    barrier.arrive();

    Down down;
    down.ask(down_rows, w_down);
    barrier.wait();
    for (int piece = thread; piece < F / 8; piece += PersistentThreads) {
        float v[8];
        unpack(reinterpret_cast<const uint4*>(hidden)[piece], v);
        input[persistent_place(2 * piece)] = make_float4(v[0], v[1], v[2], v[3]);
        input[persistent_place(2 * piece + 1)] = make_float4(v[4], v[5], v[6], v[7]);
    }
    __syncthreads();
    if constexpr (Routed) down.run(PersistentGatedOp<D>(t, x, gate_value<Kind>(score)), w_down, input, sums, 1.0f);
    else down.run(DecodeAddOp<D>(t, nullptr, x), w_down, input, sums, 1.0f);
    if (blockIdx.x == 0 && thread == 0) lengths[sequences[0]]++;
}
