// Decoding: which of up to 32 rows enter a routed layer, where, and with which gates, in one kernel: router_scores, causal_select and gates
// of that family and of sampling_rows, to whose contracts it holds. Families: prelude vectors routing decode_route.
//
// Launch: 1 block of 1024 threads, a warp a row.

// logits: the predictor's, or null where a row's own score decides. entered, entered_positions, entered_sequences, gates (active),
// compact and in order; flags (rows); `active` counts.
template <int Width, Gate Kind>
__device__ __forceinline__ void decode_route(const float* x, const float* w, const float* logits, const int* positions, const int* sequences, const int* use_forced,
                                             const int* forced, int* entered, int* entered_positions, int* entered_sequences, int* active, int* flags, float* gates, Rows rows) {
    __shared__ float scores[32];
    constexpr int Group = Width % 4 == 0 ? 4 : 1;
    struct alignas(4 * Group) Some { float v[Group]; };
    int row = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count(), position = 0, sequence = 0, wanted = 0;
    bool inside = lane < count, force = false;
    float score = 0.0f, logit = 0.0f;
    if (row == 0 && inside) {  // what the first warp decides by, asked for ahead of the scores
        force = *use_forced != 0;
        wanted = forced[lane];
        position = positions[lane];
        sequence = sequences[lane];
        if (logits != nullptr) logit = logits[lane];
    }
    if (row < count) {
        const Some *values = reinterpret_cast<const Some*>(x + i64(row) * Width), *weights = reinterpret_cast<const Some*>(w);
#pragma unroll 8
        for (int i = lane; i < Width / Group; i += 32) {
            Some a = values[i], b = weights[i];
#pragma unroll
            for (int e = 0; e < Group; e++) score = fmaf(a.v[e], b.v[e], score);
        }
    }
    score = warp_sum(score);
    if (lane == 0) scores[row] = score;
    __syncthreads();
    if (row > 0) return;
    score = scores[lane];
    if (logits == nullptr) logit = score;
    bool enters = inside && (force ? wanted != 0 : logit > 0.0f);
    u32 mask = __ballot_sync(0xffffffffu, enters);  // and every logit is read before a gate is written, which may be in the same place
    int slot = __popc(mask & ((1u << lane) - 1u));
    if (inside) flags[lane] = enters ? 1 : 0;
    if (enters) {
        entered[slot] = lane;
        entered_positions[slot] = position;
        entered_sequences[slot] = sequence;
        gates[slot] = gate_value<Kind>(score);
    }
    if (lane == 0) *active = __popc(mask);
}
