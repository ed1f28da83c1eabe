// Arithmetic that takes values one by one, in either precision, and the sums over rows that biases and gains need.
// Launch, unless said: 256 threads, ceil(rows * Width / 2048) blocks. Outputs are overwritten; where it is said they may be an
// input, since each value is read and written by one thread.

// Eight values of a block's 2048 a thread, as groups that lie 256 groups apart, so that neighbouring threads read neighbouring
// groups. All of a thread's groups are read before the first is written.
template <int Group>
struct Flat {
    static constexpr int Parts = 8 / Group;
    static __device__ __forceinline__ i64 at(int part) { return (i64(blockIdx.x) * Parts + part) * 256 + threadIdx.x; }
};

// Operands in groups of 16 bytes where the row allows.
__host__ __device__ constexpr int element_group() { return 16 / int(sizeof(element)); }

// sum = a + b; it may be a or b.
template <int Width, class A, class B, class Out>
__device__ __forceinline__ void add(const A* a, const B* b, Out* sum, Rows rows) {
    constexpr int Group = group_of(Width, sizeof(A) + sizeof(B) + sizeof(Out) == 6 ? 8 : 4);
    using Part = Flat<Group>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * (Width / Group);
    float x[Part::Parts][Group], y[Part::Parts][Group];
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
        load(a + Part::at(p) * Group, x[p]);
        load(b + Part::at(p) * Group, y[p]);
    }
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
#pragma unroll
        for (int j = 0; j < Group; j++) x[p][j] += y[p][j];
        store(sum + Part::at(p) * Group, x[p]);
    }
}

// y = f(x), value by value; y may be x where the types are the same.
template <int Width, class In, class Out, class F>
__device__ __forceinline__ void map_values(const In* x, Out* y, Rows rows, F f) {
    constexpr int Group = group_of(Width, sizeof(In) + sizeof(Out) == 4 ? 8 : 4);
    using Part = Flat<Group>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * (Width / Group);
    float v[Part::Parts][Group];
#pragma unroll
    for (int p = 0; p < Part::Parts; p++)
        if (Part::at(p) < groups) load(x + Part::at(p) * Group, v[p]);
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
#pragma unroll
        for (int j = 0; j < Group; j++) v[p][j] = f(v[p][j]);
        store(y + Part::at(p) * Group, v[p]);
    }
}

// The float32 x as operands.
template <int Width>
__device__ __forceinline__ void narrow(const float* x, element* y, Rows rows) {
    map_values<Width>(x, y, rows, [](float v) { return v; });
}

// y = x . sigmoid(x).
template <int Width>
__device__ __forceinline__ void silu_fwd(const element* x, element* y, Rows rows) {
    map_values<Width>(x, y, rows, [](float v) { return v * sigmoid(v); });
}

// The derivative of x . sigmoid(x), s being sigmoid(x).
__device__ __forceinline__ float silu_slope(float x, float s) { return s * (1.0f + x * (1.0f - s)); }

// dx = dy . silu'(x); it may be dy.
template <int Width>
__device__ __forceinline__ void silu_bwd(const element* x, const element* dy, element* dx, Rows rows) {
    constexpr int Group = group_of(Width, element_group());
    using Part = Flat<Group>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * (Width / Group);
    float v[Part::Parts][Group], d[Part::Parts][Group];
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
        load(x + Part::at(p) * Group, v[p]);
        load(dy + Part::at(p) * Group, d[p]);
    }
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
#pragma unroll
        for (int j = 0; j < Group; j++) d[p][j] *= silu_slope(v[p][j], sigmoid(v[p][j]));
        store(dx + Part::at(p) * Group, d[p]);
    }
}

// hidden (rows, Width) = silu(gate) . up; gate_up (rows, 2 Width): the gate's half of a row, then the up half.
template <int Width>
__device__ __forceinline__ void swiglu_fwd(const element* gate_up, element* hidden, Rows rows) {
    constexpr int Group = group_of(Width, element_group());
    using Part = Flat<Group>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * (Width / Group);
    float gate[Part::Parts][Group], up[Part::Parts][Group];
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        u32 at = u32(Part::at(p)), row = at / (Width / Group);
        if (Part::at(p) >= groups) continue;
        const element* from = gate_up + (i64(at) + i64(row) * (Width / Group)) * Group;
        load(from, gate[p]);
        load(from + Width, up[p]);
    }
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
#pragma unroll
        for (int j = 0; j < Group; j++) up[p][j] *= gate[p][j] * sigmoid(gate[p][j]);
        store(hidden + Part::at(p) * Group, up[p]);
    }
}

// The gradient of swiglu_fwd with the gate_up that it read; d_gate_up may be gate_up.
template <int Width>
__device__ __forceinline__ void swiglu_bwd(const element* gate_up, const element* d_hidden, element* d_gate_up, Rows rows) {
    constexpr int Group = group_of(Width, element_group());
    using Part = Flat<Group>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * (Width / Group);
    float gate[Part::Parts][Group], up[Part::Parts][Group], d[Part::Parts][Group];
    i64 place[Part::Parts];
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        u32 at = u32(Part::at(p)), row = at / (Width / Group);
        place[p] = (i64(at) + i64(row) * (Width / Group)) * Group;
        if (Part::at(p) >= groups) continue;
        load(gate_up + place[p], gate[p]);
        load(gate_up + place[p] + Width, up[p]);
        load(d_hidden + Part::at(p) * Group, d[p]);
    }
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
#pragma unroll
        for (int j = 0; j < Group; j++) {
            float g = gate[p][j], s = sigmoid(g), dh = d[p][j];
            gate[p][j] = dh * up[p][j] * silu_slope(g, s);
            up[p][j] = dh * g * s;
        }
        store(d_gate_up + place[p], gate[p]);
        store(d_gate_up + place[p] + Width, up[p]);
    }
}

// Turns the first Heads heads of each row of x (rows, Stride) in place by the angles of its position: elements i and
// i + HeadWidth / 2 of a head are a pair. table (Context, HeadWidth / 2) holds {cos, sin}; Backward turns the other way.
// Launch as for Width = Heads * HeadWidth / 2.
template <int Heads, int HeadWidth, int Stride, bool Backward>
__device__ __forceinline__ void rotary(element* x, const int* positions, const float2* table, Rows rows) {
    static_assert(HeadWidth % 2 == 0 && Heads * HeadWidth <= Stride, "heads of pairs, within the row");
    constexpr int Half = HeadWidth / 2, Group = group_of(Stride, group_of(Half, element_group())), HeadGroups = Half / Group;
    using Part = Flat<Group>;
    wait_for_previous_kernel();
    let_next_kernel_start();
    i64 groups = i64(rows.count()) * (Heads * HeadGroups);
    float a[Part::Parts][Group], b[Part::Parts][Group], turn[Part::Parts][2 * Group];
    i64 place[Part::Parts];
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        u32 at = u32(Part::at(p)), row = at / (Heads * HeadGroups), pair = at % (Heads * HeadGroups);
        place[p] = i64(row) * Stride + pair / HeadGroups * HeadWidth + pair % HeadGroups * Group;
        if (Part::at(p) >= groups) continue;
        load(x + place[p], a[p]);
        load(x + place[p] + Half, b[p]);
        load_cached(reinterpret_cast<const float*>(table) + (i64(positions[row]) * Half + pair % HeadGroups * Group) * 2, turn[p]);
    }
#pragma unroll
    for (int p = 0; p < Part::Parts; p++) {
        if (Part::at(p) >= groups) continue;
#pragma unroll
        for (int j = 0; j < Group; j++) {
            float cos = turn[p][2 * j], sin = Backward ? -turn[p][2 * j + 1] : turn[p][2 * j + 1], first = a[p][j];
            a[p][j] = first * cos - b[p][j] * sin;
            b[p][j] = b[p][j] * cos + first * sin;
        }
        store(x + place[p], a[p]);
        store(x + place[p] + Half, b[p]);
    }
}

// partials (gridDim.x, Width) = each block's sum of its rows of dy (rows, Width); add_column_partials makes the gradient of
// them. 256 threads, any number of blocks.
template <int Width>
__device__ __forceinline__ void column_sums(const element* dy, float* partials, Rows rows) {
    constexpr int Group = group_of(Width, element_group()), Groups = Width / Group, Lanes = Groups < 256 ? Groups : 256, Teams = 256 / Lanes;
    __shared__ float parts[256][Group];
    int team = int(threadIdx.x) / Lanes, lane = int(threadIdx.x) % Lanes;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count();
    for (int first = 0; first < Groups; first += Lanes) {
        int group = first + lane;
        bool mine = team < Teams && group < Groups;
        float sum[Group];
#pragma unroll
        for (int j = 0; j < Group; j++) sum[j] = 0.0f;
#pragma unroll 4
        for (int row = mine ? int(blockIdx.x) * Teams + team : count; row < count; row += int(gridDim.x) * Teams) {
            float v[Group];
            load(dy + i64(row) * Width + group * Group, v);
#pragma unroll
            for (int j = 0; j < Group; j++) sum[j] += v[j];
        }
        __syncthreads();
#pragma unroll
        for (int j = 0; j < Group; j++) parts[threadIdx.x][j] = sum[j];
        __syncthreads();
        if (team != 0 || !mine) continue;
        for (int t = 1; t < Teams; t++)
#pragma unroll
            for (int j = 0; j < Group; j++) sum[j] += parts[t * Lanes + lane][j];
        store(partials + i64(blockIdx.x) * Width + group * Group, sum);
    }
}

// gradient (width) = the sum over blocks of partials (blocks, width), in order; with `add` it is added. 256 threads, ceil(width / 32) blocks.
__device__ __forceinline__ void add_column_partials(const float* partials, float* gradient, int width, int blocks, int add) {
    __shared__ float parts[8][32];
    int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, column = int(blockIdx.x) * 32 + lane;
    wait_for_previous_kernel();
    let_next_kernel_start();
    constexpr int Ahead = 20;  // so that those of a block a multiprocessor are all asked for at once
    float sum = 0.0f;
    for (int first = warp; column < width && first < blocks; first += 8 * Ahead) {
        float v[Ahead];
#pragma unroll
        for (int i = 0; i < Ahead; i++) v[i] = first + 8 * i < blocks ? partials[i64(first + 8 * i) * width + column] : 0.0f;
#pragma unroll
        for (int i = 0; i < Ahead; i++) sum += v[i];
    }
    parts[warp][lane] = sum;
    __syncthreads();
    if (warp != 0 || column >= width) return;
    for (int w = 1; w < 8; w++) sum += parts[w][lane];
    gradient[column] = add ? gradient[column] + sum : sum;
}
