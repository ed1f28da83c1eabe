// Causal attention backward on Hopper, in an order that never changes: one kernel walks the keys of each query strip and
// writes dQ, one walks the queries of each key strip and writes dK and dV, so that nothing is summed across blocks. That is
// seven products where five would do; in return no product waits for another block and nothing passes through memory.
//
//   P = exp2(c . S - lse)   dP = dO V^T   dS = P (dP - D)   dQ = scale . dS K   dK = scale . dS^T Q   dV = P^T dO
//
// The key kernel computes S^T and dP^T, with keys as rows, so that P^T and dS^T leave the first two products as the
// register operands of the last two: nothing is transposed or stored on the way.

template <class Shape_, int Strips_, int Step_, int Stages_>
struct AttentionBackwardTile {
    using Shape = Shape_;
    static constexpr int Strips = Strips_, Rows = 64 * Strips, Step = Step_, Stages = Stages_;  // Step: rows of the walked operand
    static constexpr int Threads = 128 * (Strips + 1), StepBytes = Step * Shape::Width * 2;
    static constexpr int Registers = Strips == 3 ? 160 : 232, ProducerRegisters = Strips == 3 ? 32 : 40;
    static constexpr bool Tight = Strips == 3 || Shape::Width == 128;  // in the key kernel, dP takes the registers of S
    static_assert(Strips == 2 || Strips == 3, "two or three consumer warpgroups");
    static_assert(Step == 64 || Step == 128, "a step is one or two boxes");
};

// The tiles for sequences of about Length positions, as measured.
template <class Shape, int Length>
using AttentionQueriesFor = AttentionBackwardTile<Shape, 3, 64, Shape::Width == 128 ? 2 : 4>;
template <class Shape, int Length, bool Short = (Length <= 256), bool Wide = (Shape::Width == 128)>
using AttentionKeysFor = AttentionBackwardTile<Shape, Short || Wide ? 2 : 3, 64, Short && !Wide ? 4 : 3>;

// `a` and `b` are what a block owns (queries and dO, or keys and values), c and d what it walks.
template <class Tile>
struct AttentionBackwardShared {
    alignas(1024) unsigned char a[Tile::Strips][Tile::Shape::StripBytes];
    alignas(1024) unsigned char b[Tile::Strips][Tile::Shape::StripBytes];
    alignas(1024) unsigned char c[Tile::Stages][Tile::StepBytes];
    alignas(1024) unsigned char d[Tile::Stages][Tile::StepBytes];
    alignas(1024) unsigned char result[Tile::Strips][Tile::Shape::StripBytes];
    alignas(128) float rows[Tile::Stages][2][Tile::Step];  // of the walked queries: lse and D
    u64 owned_full[Tile::Strips], owned_empty[Tile::Strips];
    u64 c_full[Tile::Stages], d_full[Tile::Stages], empty[Tile::Stages];
};

template <class Tile>
__device__ __forceinline__ AttentionBackwardShared<Tile>& attention_backward_begin() {
    using Shared = AttentionBackwardShared<Tile>;
    static_assert(Tile::Shape::Width % 64 == 0, "heads are whole panels of 64");
    static_assert(sizeof(Shared) + 1024 <= 232448, "the tile does not fit in shared memory");
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    Shared& shared = *reinterpret_cast<Shared*>(attention_memory + ((1024u - (shared_address(attention_memory) & 1023u)) & 1023u));
    if (threadIdx.x == 0) {
        for (int i = 0; i < Tile::Strips; i++) { barrier_init(&shared.owned_full[i], 1); barrier_init(&shared.owned_empty[i], WarpgroupArrivals); }
        for (int i = 0; i < Tile::Stages; i++) { barrier_init(&shared.c_full[i], 1); barrier_init(&shared.d_full[i], 1); barrier_init(&shared.empty[i], WarpgroupArrivals * Tile::Strips); }
        barrier_init_fence();
    }
    __syncthreads();
    wait_for_previous_kernel();
    return shared;
}

// The strips that a block owns: two operands a strip, one barrier.
template <class Tile>
__device__ __forceinline__ void attention_load_owned(AttentionBackwardShared<Tile>& shared, const TensorMap& map_a, const TensorMap& map_b, int column_a,
                                                     int column_b, int row, int sequence, u32 phase) {
    using Shape = typename Tile::Shape;
    for (int strip = 0; strip < Tile::Strips; strip++) {
        barrier_wait(&shared.owned_empty[strip], phase);
        barrier_expect(&shared.owned_full[strip], 2 * Shape::StripBytes);
        attention_load_strip<Shape>(shared.a[strip], Shape::Panel, map_a, &shared.owned_full[strip], column_a, row + strip * 64, sequence);
        attention_load_strip<Shape>(shared.b[strip], Shape::Panel, map_b, &shared.owned_full[strip], column_b, row + strip * 64, sequence);
    }
}

template <class Tile>
__device__ __forceinline__ void attention_load_step(unsigned char* to, const TensorMap& map, u64* barrier, int column, int row, int sequence) {
    using Shape = typename Tile::Shape;
    for (int half = 0; half < Tile::Step / 64; half++)
        attention_load_strip<Shape>(to + half * Shape::Panel, Tile::Step * 128, map, barrier, column, row + half * 64, sequence);
}

// Turns the gradients of two rows, `row` and row + 8, back by their angles: a column and its partner half a head away are in one
// thread. The rows may lie past the end, where nothing is written.
template <class Shape>
__device__ __forceinline__ void attention_turn_back(float (&c)[Shape::Width / 2], const AttentionBackward& p, int sequence, int row, int quarter) {
    constexpr int Half = Shape::Width / 4;  // accumulators from a column to its partner
    if (p.rotary == nullptr) return;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int position = p.positions[i64(sequence) * p.length + minimum(row + r * 8, p.length - 1)];
        const float4* angles = reinterpret_cast<const float4*>(p.rotary + i64(position) * (Shape::Width / 2) + quarter * 2);
#pragma unroll
        for (int j = 0; j < Shape::Width / 16; j++) {
            float4 a = __ldg(angles + j * 4);
            float &low0 = c[4 * j + 2 * r], &high0 = c[4 * j + 2 * r + Half], &low1 = c[4 * j + 2 * r + 1], &high1 = c[4 * j + 2 * r + 1 + Half];
            float before0 = low0, before1 = low1;
            low0 = before0 * a.x + high0 * a.y;
            high0 = high0 * a.x - before0 * a.y;
            low1 = before1 * a.z + high1 * a.w;
            high1 = high1 * a.z - before1 * a.w;
        }
    }
}
