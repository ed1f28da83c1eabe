// What kernels that run over rows at the speed of memory need beside the prelude: neighbouring values in groups of up to 16 bytes, rows
// shared by warps, and a row's place in a selection.

// Elements of a group that divides a row of `width` and is at most `most`: 1, 2, 4 or 8.
__host__ __device__ constexpr int group_of(int width, int most) {
    while (width % most != 0) most /= 2;
    return most;
}

// N neighbouring values to floats and back; they start at a multiple of their size together, or of 16 bytes if that is less.
template <int N> __device__ __forceinline__ void load(const float* from, float (&v)[N]) {
    if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            float4 w = load_streaming(reinterpret_cast<const float4*>(from + i));
            v[i] = w.x; v[i + 1] = w.y; v[i + 2] = w.z; v[i + 3] = w.w;
        }
    } else if constexpr (N == 2) {
        float2 w = *reinterpret_cast<const float2*>(from);
        v[0] = w.x; v[1] = w.y;
    } else {
        static_assert(N == 1, "groups are of 1, 2 or a multiple of 4");
        v[0] = *from;
    }
}

template <int N> __device__ __forceinline__ void load(const bf16* from, float (&v)[N]) {
    if constexpr (N == 8) {
        unpack(load_streaming(reinterpret_cast<const uint4*>(from)), v);
    } else if constexpr (N == 4) {
        uint2 w = __ldcs(reinterpret_cast<const uint2*>(from));
        v[0] = low_half(w.x); v[1] = high_half(w.x); v[2] = low_half(w.y); v[3] = high_half(w.y);
    } else if constexpr (N == 2) {
        u32 w = *reinterpret_cast<const u32*>(from);
        v[0] = low_half(w); v[1] = high_half(w);
    } else {
        static_assert(N == 1, "groups are of 1, 2, 4 or 8");
        v[0] = to_float(*from);
    }
}

// The same of what many threads read and no kernel of the step writes, such as gains and tables: through the first-level cache.
template <int N> __device__ __forceinline__ void load_cached(const float* from, float (&v)[N]) {
    if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            float4 w = __ldg(reinterpret_cast<const float4*>(from + i));
            v[i] = w.x; v[i + 1] = w.y; v[i + 2] = w.z; v[i + 3] = w.w;
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; i++) v[i] = __ldg(from + i);
    }
}

template <int N> __device__ __forceinline__ void store(float* to, const float (&v)[N]) {
    if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4) *reinterpret_cast<float4*>(to + i) = make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
    } else if constexpr (N == 2) {
        *reinterpret_cast<float2*>(to) = make_float2(v[0], v[1]);
    } else {
        static_assert(N == 1, "groups are of 1, 2 or a multiple of 4");
        *to = v[0];
    }
}

template <int N> __device__ __forceinline__ void store(bf16* to, const float (&v)[N]) {
    if constexpr (N == 8) {
        *reinterpret_cast<uint4*>(to) = pack(v);
    } else if constexpr (N == 4) {
        *reinterpret_cast<uint2*>(to) = make_uint2(pack(v[0], v[1]), pack(v[2], v[3]));
    } else if constexpr (N == 2) {
        *reinterpret_cast<u32*>(to) = pack(v[0], v[1]);
    } else {
        static_assert(N == 1, "groups are of 1, 2, 4 or 8");
        *to = to_bf16(v[0]);
    }
}

// Rows of Width values in blocks of 256 threads. A team of 1, 2, 4 or 8 warps shares a row, so that a lane holds 32 values up to
// a width of 8192; lane l holds groups l, l + Lanes, ... of the row, fewer in the last turn if they do not come out even.
template <int Width>
struct RowTeam {
    static constexpr int Group = group_of(Width, 4), Groups = Width / Group;
    static constexpr int Warps = Width <= 1024 ? 1 : Width <= 2048 ? 2 : Width <= 4096 ? 4 : 8;
    static constexpr int Lanes = 32 * Warps, Teams = 8 / Warps, Turns = ceil_div(Groups, Lanes);
    static_assert(Width >= 1 && Width <= 32768, "a row is held in the registers of a block");

    static __device__ __forceinline__ int team() { return int(threadIdx.x) / Lanes; }
    static __device__ __forceinline__ int lane() { return int(threadIdx.x) % Lanes; }
    static __device__ __forceinline__ bool leads() { return lane() == 0; }
    static __device__ __forceinline__ bool has(int turn) { return Groups % Lanes == 0 || turn * Lanes + lane() < Groups; }
    static __device__ __forceinline__ int column(int turn) { return (turn * Lanes + lane()) * Group; }
    // The same place in a row, as one address and constants: column() would take a register pair a turn.
    template <class T> static __device__ __forceinline__ T* place(T* row, int turn) { return row + lane() * Group + turn * Lanes * Group; }

    // Reads this lane's part of a row; what it has not is zero.
    template <class T> static __device__ __forceinline__ void read(const T* row, float (&v)[Turns][Group]) {
#pragma unroll
        for (int i = 0; i < Turns; i++) {
            if (has(i)) {
                load(place(row, i), v[i]);
            } else {
#pragma unroll
                for (int j = 0; j < Group; j++) v[i][j] = 0.0f;
            }
        }
    }

    template <class T> static __device__ __forceinline__ void write(T* row, const float (&v)[Turns][Group]) {
#pragma unroll
        for (int i = 0; i < Turns; i++)
            if (has(i)) store(place(row, i), v[i]);
    }

    // This lane's group of a vector that every row meets.
    static __device__ __forceinline__ void read_cached(const float* from, int turn, float (&v)[Group]) {
        if (has(turn)) {
            load_cached(place(from, turn), v);
        } else {
#pragma unroll
            for (int j = 0; j < Group; j++) v[j] = 0.0f;
        }
    }

    // The same there where it is written, and not where the compiler would like it; then all of a row at once.
    static __device__ __forceinline__ void read_in_place(const float* from, int turn, float (&v)[Group]) {
        if constexpr (Group == 4) {
            float4 w = has(turn) ? load_in_place(reinterpret_cast<const float4*>(place(from, turn))) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            v[0] = w.x; v[1] = w.y; v[2] = w.z; v[3] = w.w;
        } else {
            read_cached(from, turn, v);
        }
    }

    static __device__ __forceinline__ void read_in_place(const float* from, float (&v)[Turns][Group]) {
#pragma unroll
        for (int i = 0; i < Turns; i++) read_in_place(from, i, v[i]);
    }

    // The sum over the team of a value a lane, in every lane. `scratch` has a float a warp; `parity` alternates between the
    // successive calls of a team, so that one barrier a call is enough.
    static __device__ __forceinline__ float sum(float x, float (&scratch)[2][8], int parity) {
        x = warp_sum(x);
        if constexpr (Warps == 1) return x;
        if (threadIdx.x % 32 == 0) scratch[parity][threadIdx.x / 32] = x;
        team_barrier(1 + team(), Lanes);
        float total = 0.0f;
#pragma unroll
        for (int w = 0; w < Warps; w++) total += scratch[parity][team() * Warps + w];
        return total;
    }
};

// Calls body(row) for each of the block's eight rows with the whole team of the row, once the kernel before has finished.
template <int Width, class Body>
__device__ __forceinline__ void for_rows(const Rows& rows, Body body) {
    using Team = RowTeam<Width>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
#pragma unroll 1
    for (int i = 0; i < Team::Warps; i++) {
        int row = int(blockIdx.x) * 8 + i * Team::Teams + Team::team();
        if (row < count) body(row);
    }
}

// Shared memory of sum_teams: up to 32 values a lane.
template <int Width> using TeamParts = float[(RowTeam<Width>::Turns < 32 / RowTeam<Width>::Group ? RowTeam<Width>::Turns : 32 / RowTeam<Width>::Group)][256][RowTeam<Width>::Group];

// total (Width) = the sum over the block's teams of what each has for its row's values, in the order of the teams. Each team
// adds up some turns of the row.
template <int Width>
__device__ __forceinline__ void sum_teams(const float (&v)[RowTeam<Width>::Turns][RowTeam<Width>::Group], TeamParts<Width>& parts, float* total) {
    using Team = RowTeam<Width>;
    constexpr int Some = int(sizeof(parts) / sizeof(parts[0]));
#pragma unroll
    for (int first = 0; first < Team::Turns; first += Some) {
        if (first > 0) __syncthreads();
#pragma unroll
        for (int i = 0; i < Some && first + i < Team::Turns; i++)
#pragma unroll
            for (int j = 0; j < Team::Group; j++) parts[i][threadIdx.x][j] = v[first + i][j];
        __syncthreads();
        for (int i = Team::team(); i < Some && first + i < Team::Turns; i += Team::Teams) {
            if (!Team::has(first + i)) continue;
            float sum[Team::Group];
#pragma unroll
            for (int t = 0; t < Team::Teams; t++)
#pragma unroll
                for (int j = 0; j < Team::Group; j++) sum[j] = t == 0 ? parts[i][Team::lane()][j] : sum[j] + parts[i][t * Team::Lanes + Team::lane()][j];
            store(total + Team::column(first + i), sum);
        }
    }
}

// Row of the stream that compact row i stands for. `selected` holds positions within a sequence of Length rows of which
// Selected are chosen, ascending; with Length 0 it holds rows of the stream themselves.
template <int Length, int Selected>
__device__ __forceinline__ i64 stream_row(const int* selected, int i) {
    if constexpr (Length == 0) return selected[i];
    else return i64(i / Selected) * Length + selected[i];
}

// Index of `position` among `count` ascending ones, or -1.
__device__ __forceinline__ int find_position(const int* selected, int count, int position) {
    int low = 0;
    for (int n = count; n > 1;) {
        int half = n / 2;
        if (selected[low + half] <= position) low += half;
        n -= half;
    }
    return count > 0 && selected[low] == position ? low : -1;
}
