// Rows of the stream and the compact rows selected of them: gathering, scattering, and a routed block's gated return.
// 256 threads, ceil(rows / 8) blocks. Where rows are compact, `selected` is read as stream_row says.

// y (compact, Width) = the selected rows of x.
template <int Width, int Length, int Selected, class T>
__device__ __forceinline__ void gather_rows(const T* x, const int* selected, T* y, Rows rows) {
    using Team = RowTeam<Width>;
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        Team::read(x + stream_row<Length, Selected>(selected, row) * Width, v);
        Team::write(y + i64(row) * Width, v);
    });
}

// The selected rows of y (stream rows, Width) = those of x as operands; the others stay.
template <int Width, int Length, int Selected>
__device__ __forceinline__ void narrow_rows(const float* x, const int* selected, element* y, Rows rows) {
    using Team = RowTeam<Width>;
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group];
        i64 start = stream_row<Length, Selected>(selected, row) * Width;
        Team::read(x + start, v);
        Team::write(y + start, v);
    });
}

// The index of `position` among the Selected ascending ones from `selected`, or -1, found by a whole warp: each round asks 32
// evenly spread ones, so that 1024 take two rounds.
template <int Selected>
__device__ __forceinline__ int warp_find_position(const int* selected, int position) {
    int low = 0, lane = int(threadIdx.x) % 32;
#pragma unroll 1
    for (int count = Selected; count > 1;) {
        int step = ceil_div(count, 32), at = lane * step;
        bool upto = at < count && selected[low + at] <= position;
        int last = maximum(__popc(__ballot_sync(0xffffffffu, upto)) - 1, 0);
        low += last * step;
        count = minimum(step, count - last * step);
    }
    return selected[low] == position ? low : -1;
}

// InPlace: `rows` are compact and y, which is x, gets y[selected] += gate . f. Else `rows` are all of the stream and y = x, with
// gate . f added where a row is selected. gates (compact), 1 unless Scaled.
template <int Width, int Length, int Selected, class F, bool Scaled, bool InPlace>
__device__ __forceinline__ void scatter_add_scaled(const float* x, const int* selected, const F* f, const float* gates, float* y, Rows rows) {
    static_assert(InPlace || Length > 0, "a row of the stream finds its place in the selection of its sequence");
    using Team = RowTeam<Width>;
    for_rows<Width>(rows, [&](int row) {
        float v[Team::Turns][Team::Group], d[Team::Turns][Team::Group];
        i64 stream = row;
        int compact = row;
        if constexpr (InPlace) stream = stream_row<Length, Selected>(selected, row);
        Team::read(x + stream * Width, v);
        if constexpr (!InPlace) {
            int sequence = row / Length;
            compact = warp_find_position<Selected>(selected + i64(sequence) * Selected, row % Length);
            if (compact >= 0) compact += sequence * Selected;
        }
        if (compact >= 0) {
            Team::read(f + i64(compact) * Width, d);
            float gate = Scaled ? gates[compact] : 1.0f;
#pragma unroll
            for (int i = 0; i < Team::Turns; i++)
#pragma unroll
                for (int j = 0; j < Team::Group; j++) v[i][j] += gate * d[i][j];
        }
        Team::write(y + stream * Width, v);
    });
}

// into[selected] += y (compact, Width).
template <int Width, int Length, int Selected, class Y>
__device__ __forceinline__ void scatter_add(const Y* y, const int* selected, float* into, Rows rows) {
    scatter_add_scaled<Width, Length, Selected, Y, false, true>(into, selected, y, nullptr, into, rows);
}

// The gradient of the gated return: df = gate . dy[selected], as float32 (Wide) and as operands (Narrow), and
// dgates (compact) = <dy[selected], f>. df may be the memory of f.
template <int Width, int Length, int Selected, class F, bool Wide, bool Narrow>
__device__ __forceinline__ void gather_scale_bwd(const float* dy, const int* selected, const F* f, const float* gates, float* df, element* df_narrow, float* dgates, Rows rows) {
    using Team = RowTeam<Width>;
    __shared__ float scratch[2][8];
    for_rows<Width>(rows, [&](int row) {
        float d[Team::Turns][Team::Group], v[Team::Turns][Team::Group];
        Team::read(dy + stream_row<Length, Selected>(selected, row) * Width, d);
        Team::read(f + i64(row) * Width, v);
        float gate = gates[row], along = 0.0f;
#pragma unroll
        for (int i = 0; i < Team::Turns; i++)
#pragma unroll
            for (int j = 0; j < Team::Group; j++) {
                along += d[i][j] * v[i][j];
                d[i][j] *= gate;
            }
        if constexpr (Wide) Team::write(df + i64(row) * Width, d);
        if constexpr (Narrow) Team::write(df_narrow + i64(row) * Width, d);
        along = Team::sum(along, scratch, row / Team::Teams % 2);
        if (Team::leads()) dgates[row] = along;
    });
}
