// The norms around a routed block, which its router shares. The norm above takes the rows that pass by as the router reads them: so it is
// made there, and again for the rows that enter, when they return. In the backward pass norms carry the router's gradient. A router with a loss of its own sends a gradient into every
// row: d . w into that of the stream and d . x into its weights. Rows that entered the block get theirs from the block's first norm;
// the others are as they were behind the block, so that the norm above it, which reads them anyway, gives them theirs.
// No row of the stream is then read for the router alone. Families: prelude vectors routing rms_norm rms_norm_routed.

// What router_scores gives, and x normed, for the norm above the block: what rms_norm_fwd gives of rows that pass by.
// ceil(rows / 8) blocks.
template <int Width, bool Narrow = false>
__device__ __forceinline__ void router_scores_norm(const float* x, const float* w, float* scores, const float* gain, element* y, float* rstd, Rows rows, float epsilon,
                                                   element* narrow = nullptr) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    __shared__ float norm_scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        Team::read(x + i64(row) * Width, v);
        if constexpr (Narrow) Team::write(narrow + i64(row) * Width, v);
        float score = router_score<Width>(v, w, row / Team::Teams % 2, scratch);
        if (Team::leads()) scores[row] = score;
        rms_norm_row<Width>(v, gain, y, rstd, row, row / Team::Teams % 2, epsilon, norm_scratch);
    });
}

// x[selected] += gate . f as scatter_add_scaled does it in place, and these rows normed into those of y (stream rows, Width) and rstd.
// `rows` are compact; ceil(rows / 8) blocks.
template <int Width, int Length, int Selected, class F, bool Scaled>
__device__ __forceinline__ void scatter_add_norm(float* x, const int* selected, const F* f, const float* gates, const float* gain, element* y, float* rstd, Rows rows, float epsilon) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group], d[Team::Turns][Team::Group];
        i64 stream = stream_row<Length, Selected>(selected, row);
        Team::read(x + stream * Width, v);
        Team::read(f + i64(row) * Width, d);
        float gate = Scaled ? gates[row] : 1.0f;
#pragma unroll
        for (int i = 0; i < Team::Turns; i++)
#pragma unroll
            for (int j = 0; j < Team::Group; j++) v[i][j] += gate * d[i][j];
        Team::write(x + stream * Width, v);
        rms_norm_row<Width>(v, gain, y, rstd, stream, row / Team::Teams % 2, epsilon, scratch);
    });
}

// A block's part of the gradient of a router's weights, d . x over its rows: in shared memory, for registers are taken, and in that of
// sum_teams, which comes behind it. A lane adds to no one else's values.
template <int Width>
struct RouterSums {
    using Team = RowTeam<Width>;
    using Row = float[Team::Turns][Team::Group];
    static_assert(sizeof(float) * Team::Teams * Width <= sizeof(TeamParts<Width>), "wider sums do not fit into the memory of sum_teams");
    float (*sums)[Width];

    __device__ __forceinline__ explicit RouterSums(TeamParts<Width>& parts) : sums(reinterpret_cast<float (*)[Width]>(&parts)) {
        for (int i = int(threadIdx.x); i < Team::Teams * Width; i += 256) sums[i / Width][i % Width] = 0.0f;
        __syncthreads();
    }

    __device__ __forceinline__ void add(float d, const Row& x) {
#pragma unroll
        for (int i = 0; i < Team::Turns; i++) {
            if (!Team::has(i)) continue;
            float v[Team::Group];
            float* at = &sums[Team::team()][Team::column(i)];
#pragma unroll
            for (int j = 0; j < Team::Group; j++) v[j] = at[j] + d * x[i][j];
            store(at, v);
        }
    }

    // total (Width) = the sum over the teams, in their order. Behind it the memory is free.
    __device__ __forceinline__ void leave(float* total) {
        __syncthreads();
        for (int c = int(threadIdx.x); c < Width; c += 256) {
            float sum = 0.0f;
            for (int t = 0; t < Team::Teams; t++) sum += sums[t][c];
            total[c] = sum;
        }
        __syncthreads();
    }
};

// out += d . w
template <int Width>
__device__ __forceinline__ void add_router(float d, const float* w, float (&out)[RowTeam<Width>::Turns][RowTeam<Width>::Group]) {
    using Team = RowTeam<Width>;
#pragma unroll
    for (int i = 0; i < Team::Turns; i++) {
        float weight[Team::Group];
        Team::read_cached(w, i, weight);
#pragma unroll
        for (int j = 0; j < Team::Group; j++) out[i][j] += d * weight[j];
    }
}

template <int Width, int Length, bool Narrow>
struct PassingRows {
    using Team = RowTeam<Width>;
    using Row = float[Team::Turns][Team::Group];
    float* dx;
    element* dx_narrow;
    const float* scores;
    const int* selected;
    int entered;
    const float* scale;
    float weight;
    const float* w;
    RouterSums<Width> sums;
    float* router_partials;
    float mine, d;

    // Each lane looks up one of the team's next 32 rows, so that no row waits for its own.
    __device__ __forceinline__ void begin(int row, int turn, int count) {
        if (turn % 32 == 0) {
            i64 at = row + i64(int(threadIdx.x) % 32) * gridDim.x * Team::Teams;
            mine = 0.0f;
            if (at < count) {
                bool member = find_position(selected + at / Length * entered, entered, int(at % Length)) >= 0;
                float passing = routing_loss_gradient(scores[at], false, *scale * weight / float(count));
                mine = member ? 0.0f : passing;
            }
        }
        d = __shfl_sync(0xffffffffu, mine, turn % 32);
    }

    __device__ __forceinline__ void take(const Row& x) {
        if (d != 0.0f) sums.add(d, x);
    }

    __device__ __forceinline__ void finish() { sums.leave(router_partials + i64(blockIdx.x) * Width); }

    __device__ __forceinline__ void leave(int row, Row&, Row& sum) {
        if (d != 0.0f) add_router<Width>(d, w, sum);
        Team::write(dx + i64(row) * Width, sum);
        if constexpr (Narrow) Team::write(dx_narrow + i64(row) * Width, sum);
    }
};

// What rms_norm_bwd gives, of a norm of what a routed block has left, and with it the gradient that the block's router gets from its
// loss at rows that passed by: d = sigmoid(score) . *scale . weight / rows; dx += d . w, and router_partials (gridDim.x, Width) = each block's part of
// dw += d . x. selected (B, entered), ascending positions in sequences of Length rows.
template <int Width, class Dy, bool Add, bool Narrow, int Length>
__device__ __forceinline__ void rms_norm_bwd_passing(const Dy* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx, element* dx_narrow,
                                                     const float* scores, const int* selected, int entered, const float* scale, float weight, const float* w,
                                                     float* gain_partials, float* router_partials, Rows rows) {
    __shared__ __attribute__((aligned(16))) TeamParts<Width> parts;
    rms_norm_bwd_rows<Width, Dy, Add>(dy, x, gain, rstd, residual, gain_partials, rows, parts,
                                      PassingRows<Width, Length, Narrow>{dx, dx_narrow, scores, selected, entered, scale, weight, w, RouterSums<Width>(parts), router_partials, 0.0f, 0.0f});
}

template <int Width, Gate Kind, int Length, int Selected, bool Loss, bool Narrow>
struct EnteredRows {
    using Team = RowTeam<Width>;
    using Row = float[Team::Turns][Team::Group];
    float* dx;
    element* dx_narrow;
    const int* selected;
    const float* gates;
    const float* dgates;
    const float* scores;
    const float* scale;
    float weight;
    const float* w;
    RouterSums<Width> sums;
    float* router_partials;
    float mine, d;
    int mine_position, position;

    __device__ __forceinline__ void begin(int row, int turn, int count) {
        if (turn % 32 == 0) {
            i64 at = row + i64(int(threadIdx.x) % 32) * gridDim.x * Team::Teams;
            mine = 0.0f, mine_position = 0;
            if (at < count) {
                mine_position = selected[at];
                mine = gate_gradient<Kind>(gates[at], dgates[at]);
                if constexpr (Loss) mine += routing_loss_gradient(scores[at / Selected * Length + mine_position], true, *scale * weight / float(count / Selected * Length));
            }
        }
        d = __shfl_sync(0xffffffffu, mine, turn % 32);
        position = __shfl_sync(0xffffffffu, mine_position, turn % 32);
    }

    __device__ __forceinline__ void take(const Row& x) { sums.add(d, x); }

    __device__ __forceinline__ void finish() { sums.leave(router_partials + i64(blockIdx.x) * Width); }

    __device__ __forceinline__ void leave(int row, Row& into, Row& sum) {
        i64 start = (i64(row / Selected) * Length + position) * Width;
        Team::read(dx + start, into);
        add_router<Width>(d, w, sum);
#pragma unroll
        for (int i = 0; i < Team::Turns; i++)
#pragma unroll
            for (int j = 0; j < Team::Group; j++) into[i][j] += sum[i][j];
        Team::write(dx + start, into);
        if constexpr (Narrow) Team::write(dx_narrow + start, into);
    }
};

// The gradient of the first norm of a routed block, of the rows x (compact, Width) that entered it, + residual (compact), and their
// router's, d = dgate . g' + (Loss) (sigmoid(score) - 1) . *scale . weight / rows of the stream: dx[selected] += all that and d . w,
// dx_narrow[selected] = the same as operands (Narrow), and router_partials (gridDim.x, Width) = each block's part of dw += d . x. `rows` are compact.
template <int Width, class Dy, Gate Kind, int Length, int Selected, bool Loss, bool Narrow>
__device__ __forceinline__ void rms_norm_bwd_entered(const Dy* dy, const float* x, const float* gain, const float* rstd, const float* residual, const int* selected,
                                                     const float* gates, const float* dgates, const float* scores, const float* scale, float weight, const float* w,
                                                     float* dx, element* dx_narrow, float* gain_partials, float* router_partials, Rows rows) {
    __shared__ __attribute__((aligned(16))) TeamParts<Width> parts;
    rms_norm_bwd_rows<Width, Dy, true>(dy, x, gain, rstd, residual, gain_partials, rows, parts,
                                       EnteredRows<Width, Kind, Length, Selected, Loss, Narrow>{dx, dx_narrow, selected, gates, dgates, scores, scale, weight, w, RouterSums<Width>(parts),
                                                                                                router_partials, 0.0f, 0.0f, 0, 0});
}
