// RMSNorm, y = gain . x / rms(x), and its gradient. What stands before a norm in the stream - the sum with the block before, the
// gathering of the selected rows - is part of the same pass, so that each byte of the stream is moved once.
// Forward: 256 threads, ceil(rows / 8) blocks. rstd (rows) = 1 / rms, for the gradient; null where there is none to come.

// The end of every forward pass: the row is in v, spread over its team. `parity` alternates between the rows of a team.
template <int Width>
__device__ __forceinline__ void rms_norm_row(const float (&v)[RowTeam<Width>::Turns][RowTeam<Width>::Group], const float* gain, element* y, float* rstd,
                                             i64 row, int parity, float epsilon, float (&scratch)[2][8]) {
    using Team = RowTeam<Width>;
    float g[Team::Turns][Team::Group], squares = 0.0f;
    Team::read_in_place(gain, g);
#pragma unroll
    for (int i = 0; i < Team::Turns; i++)
#pragma unroll
        for (int j = 0; j < Team::Group; j++) squares += v[i][j] * v[i][j];
    float scale = rsqrtf(Team::sum(squares, scratch, parity) * (1.0f / Width) + epsilon);
#pragma unroll
    for (int i = 0; i < Team::Turns; i++) {
#pragma unroll
        for (int j = 0; j < Team::Group; j++) g[i][j] *= v[i][j] * scale;
    }
    Team::write(y + row * Width, g);
    if (rstd != nullptr && Team::leads()) rstd[row] = scale;
}

template <int Width>
__device__ __forceinline__ void rms_norm_fwd(const float* x, const float* gain, element* y, float* rstd, Rows rows, float epsilon) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        Team::read(x + i64(row) * Width, v);
        rms_norm_row<Width>(v, gain, y, rstd, row, row / Team::Teams % 2, epsilon, scratch);
    });
}

// sum (rows, Width) = x + a, normed; sum may be x.
template <int Width, class Delta>
__device__ __forceinline__ void rms_norm_add_fwd(const float* x, const Delta* a, const float* gain, float* sum, element* y, float* rstd, Rows rows, float epsilon) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group], d[Team::Turns][Team::Group];
        Team::read(x + i64(row) * Width, v);
        Team::read(a + i64(row) * Width, d);
#pragma unroll
        for (int i = 0; i < Team::Turns; i++)
#pragma unroll
            for (int j = 0; j < Team::Group; j++) v[i][j] += d[i][j];
        Team::write(sum + i64(row) * Width, v);
        rms_norm_row<Width>(v, gain, y, rstd, row, row / Team::Teams % 2, epsilon, scratch);
    });
}

// gathered (rows, Width) = the selected rows of x, normed; see stream_row.
template <int Width, int Length, int Selected>
__device__ __forceinline__ void rms_norm_gather_fwd(const float* x, const int* selected, const float* gain, float* gathered, element* y, float* rstd, Rows rows, float epsilon) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        Team::read(x + stream_row<Length, Selected>(selected, row) * Width, v);
        rms_norm_row<Width>(v, gain, y, rstd, row, row / Team::Teams % 2, epsilon, scratch);
        Team::write(gathered + i64(row) * Width, v);
    });
}

// The gradient of the norm, row by row: rest.begin(row, turn) before its loads, rest.take(x) with what was normed, and
// rest.leave(row, change, sum) with the norm's gradient and, where Add, that and residual; at the end rest.finish(), behind which `parts` is taken.
// gain_partials (gridDim.x, Width) = each block's part of the gain's gradient; add_column_partials adds them up.
// 256 threads, any number of blocks; with the registers this takes, one a processor.
template <int Width, class Dy, bool Add, class Rest>
__device__ __forceinline__ void rms_norm_bwd_rows(const Dy* dy, const float* x, const float* gain, const float* rstd, const float* residual,
                                                  float* gain_partials, Rows rows, TeamParts<Width>& parts, Rest rest) {
    using Team = RowTeam<Width>;
    constexpr int Turns = Team::Turns, Group = Team::Group;
    __shared__ float scratch[2][8];
    float dgain[Turns][Group];
#pragma unroll
    for (int i = 0; i < Turns; i++)
#pragma unroll
        for (int j = 0; j < Group; j++) dgain[i][j] = 0.0f;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count(), turn = 0;
    for (int row = int(blockIdx.x) * Team::Teams + Team::team(); row < count; row += int(gridDim.x) * Team::Teams, turn++) {
        i64 start = i64(row) * Width;
        float n[Turns][Group], d[Turns][Group], out[Turns][Group];
        rest.begin(row, turn, count);
        Team::read(x + start, n);
        Team::read(dy + start, d);
        if constexpr (Add) Team::read(residual + start, out);
        rest.take(n);
        float scale = rstd[row], along = 0.0f;
#pragma unroll
        for (int i = 0; i < Turns; i++) {
            float g[Group];
            Team::read_cached(gain, i, g);
#pragma unroll
            for (int j = 0; j < Group; j++) {
                n[i][j] *= scale;
                dgain[i][j] += d[i][j] * n[i][j];
                along += d[i][j] * g[j] * n[i][j];
            }
        }
        float mean = Team::sum(along, scratch, turn % 2) * (1.0f / Width);
#pragma unroll
        for (int i = 0; i < Turns; i++) {
            float g[Group];
            Team::read_cached(gain, i, g);
#pragma unroll
            for (int j = 0; j < Group; j++) {
                n[i][j] = scale * (d[i][j] * g[j] - n[i][j] * mean);
                out[i][j] = Add ? out[i][j] + n[i][j] : n[i][j];
            }
        }
        rest.leave(row, n, out);
    }
    rest.finish();
    sum_teams<Width>(dgain, parts, gain_partials + i64(blockIdx.x) * Width);
}

template <int Width, bool Narrow, bool Apart>
struct NormGradientRows {
    using Row = float[RowTeam<Width>::Turns][RowTeam<Width>::Group];
    float* dx;
    element* dx_narrow;

    __device__ __forceinline__ void begin(int, int, int) {}
    __device__ __forceinline__ void take(const Row&) {}
    __device__ __forceinline__ void finish() {}
    __device__ __forceinline__ void leave(int row, Row& change, Row& sum) {
        RowTeam<Width>::write(dx + i64(row) * Width, Apart ? change : sum);
        if constexpr (Narrow) RowTeam<Width>::write(dx_narrow + i64(row) * Width, sum);
    }
};

// dx = the gradient of the norm (Add: + residual, which may be dx) and dx_narrow the same as operands (Narrow). Apart: the residual
// is added in dx_narrow alone.
template <int Width, class Dy, bool Add, bool Narrow, bool Apart = false>
__device__ __forceinline__ void rms_norm_bwd(const Dy* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx,
                                             element* dx_narrow, float* gain_partials, Rows rows) {
    static_assert(!Apart || (Add && Narrow), "what the residual is added to alone is dx_narrow");
    __shared__ TeamParts<Width> parts;
    rms_norm_bwd_rows<Width, Dy, Add>(dy, x, gain, rstd, residual, gain_partials, rows, parts, NormGradientRows<Width, Narrow, Apart>{dx, dx_narrow});
}
