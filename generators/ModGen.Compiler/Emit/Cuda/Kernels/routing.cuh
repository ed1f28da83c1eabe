// Scores of tokens, the gates made of them, and the routing losses. All in float32, in either precision of the device.
// Launch, unless said: 256 threads, ceil(rows / 256) blocks. `selected` (B, Selected) holds ascending positions within sequences of
// Length rows. Families: prelude vectors routing.

// Calls body(row) for each of the block's rows, one a thread: a search for a row's place is a chain of reads, and few rows are many blocks.
template <class Body>
__device__ __forceinline__ void for_values(Rows rows, Body body) {
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 row = i64(blockIdx.x) * 256 + threadIdx.x;
    if (row < rows.count()) body(int(row));
}

// x . w of a row that is in v, in every lane of its team. `parity` alternates between the rows of a team.
template <int Width>
__device__ __forceinline__ float router_score(const float (&v)[RowTeam<Width>::Turns][RowTeam<Width>::Group], const float* w, int parity, float (&scratch)[2][8]) {
    using Team = RowTeam<Width>;
    float score = 0.0f;
#pragma unroll
    for (int i = 0; i < Team::Turns; i++) {
        float weight[Team::Group];
        Team::read_cached(w, i, weight);
#pragma unroll
        for (int j = 0; j < Team::Group; j++) score += v[i][j] * weight[j];
    }
    return Team::sum(score, scratch, parity);
}

// scores (rows) = x (rows, Width) . w (Width), and with Narrow x as operands. ceil(rows / 8) blocks.
template <int Width, bool Narrow = false>
__device__ __forceinline__ void router_scores(const float* x, const float* w, float* scores, Rows rows, element* narrow = nullptr) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        Team::read(x + i64(row) * Width, v);
        if constexpr (Narrow) Team::write(narrow + i64(row) * Width, v);
        float score = router_score<Width>(v, w, row / Team::Teams % 2, scratch);
        if (Team::leads()) scores[row] = score;
    });
}

// dx (rows, Width) += dscores . w, dx_narrow the same as operands (Narrow), and partials (gridDim.x, Width) = each block's part of
// dw = sum of dscores . x, which add_column_partials adds up. Any number of blocks. Rows whose dscore is 0, most of them without an
// auxiliary loss, are not read unless dx_narrow wants them.
template <int Width, bool Narrow>
__device__ __forceinline__ void router_bwd(const float* x, const float* w, const float* dscores, float* dx, element* dx_narrow, float* partials, Rows rows) {
    using Team = RowTeam<Width>;
    __shared__ TeamParts<Width> parts;
    float dw[Team::Turns][Team::Group];
#pragma unroll
    for (int i = 0; i < Team::Turns; i++)
#pragma unroll
        for (int j = 0; j < Team::Group; j++) dw[i][j] = 0.0f;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
    for (int row = int(blockIdx.x) * Team::Teams + Team::team(); row < count; row += int(gridDim.x) * Team::Teams) {
        float d = dscores[row];
        if (!Narrow && d == 0.0f) continue;
        float v[Team::Turns][Team::Group], out[Team::Turns][Team::Group];
        Team::read(x + i64(row) * Width, v);
        Team::read(dx + i64(row) * Width, out);
#pragma unroll
        for (int i = 0; i < Team::Turns; i++) {
            float weight[Team::Group];
            Team::read_cached(w, i, weight);
#pragma unroll
            for (int j = 0; j < Team::Group; j++) {
                dw[i][j] += d * v[i][j];
                out[i][j] += d * weight[j];
            }
        }
        Team::write(dx + i64(row) * Width, out);
        if constexpr (Narrow) Team::write(dx_narrow + i64(row) * Width, out);
    }
    sum_teams<Width>(dw, parts, partials + i64(blockIdx.x) * Width);
}

// SplitMix64's finalizer.
__device__ __forceinline__ u64 mix(u64 z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// scores = u - offset with u uniform in [0, 1), 24 bits: a pure function of the draw, the layer, the sequence's index (row / Length;
// 0 where Length is 0) and the position; the same bits as on the CPU.
template <int Length>
__device__ __forceinline__ void random_scores(const int* positions, float* scores, const u64* draw, int layer, float offset, Rows rows) {
    for_values(rows, [&](int row) {
        int sequence = 0;
        if constexpr (Length > 0) sequence = row / Length;
        u64 key = mix(mix(*draw + u64(i64(layer)) * 0x9E3779B97F4A7C15ull) + u64(sequence));
        scores[row] = float(u32(mix(key + u64(i64(positions[row])) * 0x9E3779B97F4A7C15ull) >> 40)) * (1.0f / (1 << 24)) - offset;
    });
}

enum class Gate { Identity, Sigmoid, Tanh };

template <Gate Kind>
__device__ __forceinline__ float gate_value(float score) { return Kind == Gate::Identity ? score : Kind == Gate::Sigmoid ? 1.0f / (1.0f + expf(-score)) : tanhf(score); }

// gates (compact) = g of the scores at the selected positions. `rows` are compact.
template <Gate Kind, int Length, int Selected>
__device__ __forceinline__ void gates(const float* scores, const int* selected, float* gates, Rows rows) {
    for_values(rows, [&](int row) {
        gates[row] = gate_value<Kind>(scores[stream_row<Length, Selected>(selected, row)]);
    });
}

// g' . dgate from the gate's value.
template <Gate Kind>
__device__ __forceinline__ float gate_gradient(float gate, float dgate) {
    return dgate * (Kind == Gate::Identity ? 1.0f : Kind == Gate::Sigmoid ? gate * (1.0f - gate) : (1.0f - gate) * (1.0f + gate));
}

// dscores (all rows of the stream) = dgates . g' where selected, and 0 elsewhere.
template <Gate Kind, int Length, int Selected>
__device__ __forceinline__ void gate_bwd(const float* gates, const float* dgates, const int* selected, float* dscores, Rows rows) {
    static_assert(Length > 0, "a row of the stream finds its place in the selection of its sequence");
    for_values(rows, [&](int row) {
        int sequence = row / Length, at = find_position(selected + i64(sequence) * Selected, Selected, row % Length);
        i64 compact = i64(sequence) * Selected + at;
        dscores[row] = at >= 0 ? gate_gradient<Kind>(gates[compact], dgates[compact]) : 0.0f;
    });
}

// The mean over all rows of the binary cross-entropy, in nats, of sigmoid(logit) against membership in the selection: partials
// (gridDim.x) are each block's part, which add_column_partials adds up. Any number of blocks.
template <int Length, int Selected>
__device__ __forceinline__ void routing_loss(const float* logits, const int* selected, float* partials, Rows rows) {
    __shared__ float scratch[8];
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count(), first = int(blockIdx.x) * 256 + int(threadIdx.x), stride = int(gridDim.x) * 256;
    float sum = 0.0f;
#pragma unroll 4
    for (int row = first; row < count; row += stride) {
        float x = logits[row];
        sum += fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
    }
    int chosen = count / Length * Selected;
#pragma unroll 4
    for (int i = first; i < chosen; i += stride) sum -= logits[stream_row<Length, Selected>(selected, i)];
    sum = block_sum<256>(sum, scratch);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum / float(count);
}

// (sigmoid(logit) - member) . scale
__device__ __forceinline__ float routing_loss_gradient(float logit, bool member, float scale) {
    return (1.0f / (1.0f + expf(-logit)) - (member ? 1.0f : 0.0f)) * scale;
}

// dlogits (Add: +)= (sigmoid(logit) - member) . *scale . weight / rows.
template <int Length, int Selected, bool Add>
__device__ __forceinline__ void routing_loss_bwd(const float* logits, const int* selected, const float* scale, float weight, float* dlogits, int rows) {
    for_values(Rows{nullptr, rows}, [&](int row) {
        int sequence = row / Length;
        bool member = find_position(selected + i64(sequence) * Selected, Selected, row % Length) >= 0;
        float d = routing_loss_gradient(logits[row], member, *scale * weight / float(rows));
        dlogits[row] = Add ? dlogits[row] + d : d;
    });
}

// Both of scores that gate their block and have a loss: dscores = what gate_bwd gives + what routing_loss_bwd gives.
template <Gate Kind, int Length, int Selected>
__device__ __forceinline__ void scores_bwd(const float* gates, const float* dgates, const float* scores, const int* selected, const float* scale, float weight,
                                           float* dscores, int rows) {
    for_values(Rows{nullptr, rows}, [&](int row) {
        int sequence = row / Length, at = find_position(selected + i64(sequence) * Selected, Selected, row % Length);
        i64 compact = i64(sequence) * Selected + at;
        float d = at >= 0 ? gate_gradient<Kind>(gates[compact], dgates[compact]) : 0.0f;
        dscores[row] = d + routing_loss_gradient(scores[row], at >= 0, *scale * weight / float(rows));
    });
}
