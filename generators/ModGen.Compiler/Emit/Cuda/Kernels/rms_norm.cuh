// RMSNorm, y = gain . x / rms(x), and its gradient. What stands before a norm in the stream - the sum with the block before, the
// gathering of the selected rows - is part of the same pass, so that each byte of the stream is moved once.
// Forward: 256 threads, ceil(rows / 8) blocks. rstd (rows) = 1 / rms, for the gradient; null where there is none to come.

// The end of every forward pass: the row is in v, spread over its team.
template <int Width>
__device__ __forceinline__ void rms_norm_row(const float (&v)[RowTeam<Width>::Turns][RowTeam<Width>::Group], const float* gain, element* y, float* rstd,
                                             int row, float epsilon, float (&scratch)[2][8]) {
    using Team = RowTeam<Width>;
    float g[Team::Turns][Team::Group], squares = 0.0f;
    Team::read_in_place(gain, g);
#pragma unroll
    for (int i = 0; i < Team::Turns; i++)
#pragma unroll
        for (int j = 0; j < Team::Group; j++) squares += v[i][j] * v[i][j];
    float scale = rsqrtf(Team::sum(squares, scratch, row / Team::Teams % 2) * (1.0f / Width) + epsilon);
#pragma unroll
    for (int i = 0; i < Team::Turns; i++) {
#pragma unroll
        for (int j = 0; j < Team::Group; j++) g[i][j] *= v[i][j] * scale;
    }
    Team::write(y + i64(row) * Width, g);
    if (rstd != nullptr && Team::leads()) rstd[row] = scale;
}

template <int Width>
__device__ __forceinline__ void rms_norm_fwd(const float* x, const float* gain, element* y, float* rstd, Rows rows, float epsilon) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        Team::read(x + i64(row) * Width, v);
        rms_norm_row<Width>(v, gain, y, rstd, row, epsilon, scratch);
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
        rms_norm_row<Width>(v, gain, y, rstd, row, epsilon, scratch);
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
        rms_norm_row<Width>(v, gain, y, rstd, row, epsilon, scratch);
        Team::write(gathered + i64(row) * Width, v);
    });
}

// dx = the gradient of the norm (Add: + residual, which may be dx) and dx_narrow the same as operands (Narrow). Apart: the residual
// is added in dx_narrow alone.
// gain_partials (gridDim.x, Width) = each block's part of the gain's gradient; add_column_partials adds them up.
// 256 threads, any number of blocks; with the registers this takes, one a processor.
template <int Width, class Dy, bool Add, bool Narrow, bool Apart = false>
__device__ __forceinline__ void rms_norm_bwd(const Dy* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx,
                                             element* dx_narrow, float* gain_partials, Rows rows) {
    static_assert(!Apart || (Add && Narrow), "what the residual is added to alone is dx_narrow");
    using Team = RowTeam<Width>;
    constexpr int Turns = Team::Turns, Group = Team::Group;
    __shared__ float scratch[2][8];
    __shared__ float parts[256][Group];
    float dgain[Turns][Group];
#pragma unroll
    for (int i = 0; i < Turns; i++)
#pragma unroll
        for (int j = 0; j < Group; j++) dgain[i][j] = 0.0f;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count(), parity = 0;
    for (int row = int(blockIdx.x) * Team::Teams + Team::team(); row < count; row += int(gridDim.x) * Team::Teams, parity ^= 1) {
        i64 start = i64(row) * Width;
        float n[Turns][Group], d[Turns][Group], out[Turns][Group];
        Team::read(x + start, n);
        Team::read(dy + start, d);
        if constexpr (Add) Team::read(residual + start, out);
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
        float mean = Team::sum(along, scratch, parity) * (1.0f / Width);
#pragma unroll
        for (int i = 0; i < Turns; i++) {
            float g[Group];
            Team::read_cached(gain, i, g);
#pragma unroll
            for (int j = 0; j < Group; j++) {
                float change = scale * (d[i][j] * g[j] - n[i][j] * mean);
                out[i][j] = Add ? out[i][j] + change : change;
                n[i][j] = change;
            }
        }
        Team::write(dx + start, Apart ? n : out);
        if constexpr (Narrow) Team::write(dx_narrow + start, out);
    }
    sum_teams<Width>(dgain, parts, gain_partials + i64(blockIdx.x) * Width);
}
