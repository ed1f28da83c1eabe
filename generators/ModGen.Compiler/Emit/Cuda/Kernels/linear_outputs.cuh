// Products of linear layers with at most eight outputs, such as a predictor's last, over any number of inputs and in either
// precision. A tile of the matrix instructions would be all but empty and the weights' gradient too small for a second block,
// so these run over the rows at the speed of memory: x, or dx, is read or written once.
//
//   forward          y (rows, Outputs) = x (rows, Inputs) . W^T   linear_outputs: a dot a row and output
//   input gradient   dx (rows, Inputs) = dy (rows, Outputs) . W   linear_outputs_dgrad
//   weight gradient  dW (Outputs, Inputs) = dy^T . x              linear_outputs_wgrad leaves partials (blocks, Outputs, Inputs), each
//                    block's sum over its rows in an order of their own, which add_column_partials of elementwise adds up
//
// Rows are asked for several at once: in place of one that is not there another is read and not used, since loads behind a branch
// each would wait for one another.
//
// Launch: 256 threads, any number of blocks, no dynamic shared memory. Families: prelude vectors linear_stores linear_outputs.

// The least power of two that is at least `n`.
__host__ __device__ constexpr int power_over(int n) { return n > 1 ? 2 * power_over((n + 1) / 2) : 1; }

template <int Outputs, int Inputs>
struct FewOutputs {
    static_assert(Outputs >= 1 && Outputs <= 8, "a thread holds all outputs of its inputs");
    static constexpr int Group = group_of(Inputs, 16 / int(sizeof(element))), Groups = Inputs / Group;
    static constexpr int OutputGroup = group_of(Outputs, 16 / int(sizeof(element)));
    static constexpr int Ahead = 4, SumAhead = Outputs <= 2 ? 8 : 4;  // rows that are asked for at once

    // Lanes that share the dots of a row.
    static constexpr int DotLanes = Groups < 32 ? power_over(Groups) : 32, DotTeams = 256 / DotLanes;
    // Threads that share the columns of W or of its gradient, and rows that a block has at a time.
    static constexpr int Lanes = (Groups < 256 ? Groups : 256), Teams = 256 / Lanes;

    // A group of the weights, which every row meets: through the first-level cache.
    static __device__ __forceinline__ void read_weights(const element* from, float (&v)[Group]) {
        if constexpr (sizeof(element) * Group == 16 && sizeof(element) == 2) {
            unpack(*reinterpret_cast<const uint4*>(from), v);
        } else {
#pragma unroll
            for (int j = 0; j < Group; j++) v[j] = to_float(from[j]);
        }
    }

    // The outputs' gradients of a row.
    static __device__ __forceinline__ void read_outputs(const element* dy, int row, float (&d)[Outputs]) {
#pragma unroll
        for (int o = 0; o < Outputs; o += OutputGroup) {
            float some[OutputGroup];
            load(dy + i64(row) * Outputs + o, some);
#pragma unroll
            for (int j = 0; j < OutputGroup; j++) d[o + j] = some[j];
        }
    }
};

// What becomes of the results: see linear_stores.
template <int Outputs, int Inputs, class Store>
__device__ __forceinline__ void linear_outputs(const element* x, const element* w, Rows rows, const Store& store) {
    using F = FewOutputs<Outputs, Inputs>;
    int team = int(threadIdx.x) / F::DotLanes, lane = int(threadIdx.x) % F::DotLanes;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
    for (int first = int(blockIdx.x) * F::DotTeams * F::Ahead; first < count; first += int(gridDim.x) * F::DotTeams * F::Ahead) {
        float sum[F::Ahead][Outputs];
#pragma unroll
        for (int r = 0; r < F::Ahead; r++)
#pragma unroll
            for (int o = 0; o < Outputs; o++) sum[r][o] = 0.0f;
#pragma unroll 1
        for (int column = lane * F::Group; column < Inputs; column += F::DotLanes * F::Group) {
            float v[F::Ahead][F::Group];
#pragma unroll
            for (int r = 0; r < F::Ahead; r++) {
                int row = first + r * F::DotTeams + team;
                load(x + i64(row < count ? row : first) * Inputs + column, v[r]);
            }
#pragma unroll
            for (int o = 0; o < Outputs; o++) {
                float weight[F::Group];
                F::read_weights(w + o * Inputs + column, weight);
#pragma unroll
                for (int r = 0; r < F::Ahead; r++)
#pragma unroll
                    for (int j = 0; j < F::Group; j++) sum[r][o] = fmaf(v[r][j], weight[j], sum[r][o]);
            }
        }
        __syncwarp();
#pragma unroll
        for (int r = 0; r < F::Ahead; r++)
#pragma unroll
            for (int o = 0; o < Outputs; o++)
#pragma unroll
                for (int other = F::DotLanes / 2; other > 0; other /= 2) sum[r][o] += __shfl_xor_sync(0xffffffffu, sum[r][o], other);
#pragma unroll
        for (int r = 0; r < F::Ahead; r++) {
            int row = first + r * F::DotTeams + team;
            if (lane != r % F::DotLanes || row >= count) continue;
#pragma unroll
            for (int o = 0; o < Outputs; o += 2) store(row, o, sum[r][o], o + 1 < Outputs ? sum[r][o + 1 < Outputs ? o + 1 : o] : 0.0f, store.ask(row, o));
        }
    }
}

template <int Outputs, int Inputs>
__device__ __forceinline__ void linear_outputs_dgrad(const element* dy, const element* w, element* dx, Rows rows) {
    using F = FewOutputs<Outputs, Inputs>;
    int team = int(threadIdx.x) / F::Lanes, lane = int(threadIdx.x) % F::Lanes;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
    for (int group = lane; team < F::Teams && group < F::Groups; group += F::Lanes) {
        float weight[Outputs][F::Group];
#pragma unroll
        for (int o = 0; o < Outputs; o++) F::read_weights(w + o * Inputs + group * F::Group, weight[o]);
        for (int first = int(blockIdx.x) * F::Teams + team; first < count; first += int(gridDim.x) * F::Teams * F::Ahead) {
            float d[F::Ahead][Outputs];
#pragma unroll
            for (int r = 0; r < F::Ahead; r++) {
                int row = first + r * int(gridDim.x) * F::Teams;
                F::read_outputs(dy, row < count ? row : first, d[r]);
            }
#pragma unroll
            for (int r = 0; r < F::Ahead; r++) {
                int row = first + r * int(gridDim.x) * F::Teams;
                float v[F::Group];
#pragma unroll
                for (int j = 0; j < F::Group; j++) v[j] = 0.0f;
#pragma unroll
                for (int o = 0; o < Outputs; o++)
#pragma unroll
                    for (int j = 0; j < F::Group; j++) v[j] = fmaf(d[r][o], weight[o][j], v[j]);
                if (row < count) store(dx + i64(row) * Inputs + group * F::Group, v);
            }
        }
    }
}

template <int Outputs, int Inputs>
__device__ __forceinline__ void linear_outputs_wgrad(const element* dy, const element* x, float* partials, Rows rows) {
    using F = FewOutputs<Outputs, Inputs>;
    __shared__ float parts[256][F::Group];
    int team = int(threadIdx.x) / F::Lanes, lane = int(threadIdx.x) % F::Lanes;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
    for (int base = 0; base < F::Groups; base += F::Lanes) {
        int group = base + lane;
        bool mine = team < F::Teams && group < F::Groups;
        float sum[Outputs][F::Group];
#pragma unroll
        for (int o = 0; o < Outputs; o++)
#pragma unroll
            for (int j = 0; j < F::Group; j++) sum[o][j] = 0.0f;
        for (int first = mine ? int(blockIdx.x) * F::Teams + team : count; first < count; first += int(gridDim.x) * F::Teams * F::SumAhead) {
            float v[F::SumAhead][F::Group], d[F::SumAhead][Outputs];
#pragma unroll
            for (int r = 0; r < F::SumAhead; r++) {
                int row = first + r * int(gridDim.x) * F::Teams, there = row < count ? row : first;
                load(x + i64(there) * Inputs + group * F::Group, v[r]);
                F::read_outputs(dy, there, d[r]);
            }
#pragma unroll
            for (int r = 0; r < F::SumAhead; r++) {
                bool there = first + r * int(gridDim.x) * F::Teams < count;
#pragma unroll
                for (int j = 0; j < F::Group; j++) v[r][j] = there ? v[r][j] : 0.0f;
#pragma unroll
                for (int o = 0; o < Outputs; o++) {
                    float dy_here = there ? d[r][o] : 0.0f;
#pragma unroll
                    for (int j = 0; j < F::Group; j++) sum[o][j] = fmaf(dy_here, v[r][j], sum[o][j]);
                }
            }
        }
#pragma unroll
        for (int o = 0; o < Outputs; o++) {
            __syncthreads();
#pragma unroll
            for (int j = 0; j < F::Group; j++) parts[threadIdx.x][j] = sum[o][j];
            for (int half = power_over(F::Teams) / 2; half > 0; half /= 2) {
                __syncthreads();
                if (team >= half || team + half >= F::Teams) continue;
#pragma unroll
                for (int j = 0; j < F::Group; j++) parts[threadIdx.x][j] = sum[o][j] += parts[int(threadIdx.x) + half * F::Lanes][j];
            }
            if (team == 0 && mine) store(partials + (i64(blockIdx.x) * Outputs + o) * Inputs + group * F::Group, sum[o]);
        }
    }
}
