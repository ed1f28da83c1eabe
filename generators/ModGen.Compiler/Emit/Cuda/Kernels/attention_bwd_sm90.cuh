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
        for (int i = 0; i < Tile::Strips; i++) { barrier_init(&shared.owned_full[i], 1); barrier_init(&shared.owned_empty[i], 1); }
        for (int i = 0; i < Tile::Stages; i++) { barrier_init(&shared.c_full[i], 1); barrier_init(&shared.d_full[i], 1); barrier_init(&shared.empty[i], Tile::Strips); }
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

// dQ, and `rows`. Maps of qkv and of its gradient, and of dO.
template <class Tile>
__device__ __forceinline__ void attention_bwd_queries_load(AttentionBackwardShared<Tile>& shared, const TensorMap& qkv, const TensorMap& doutput,
                                                           AttentionSchedule schedule, int length) {
    using Shape = typename Tile::Shape;
    AttentionUnit unit;
    RingPosition<Tile::Stages> ring;
    for (u32 phase = 1; schedule.next(unit); phase ^= 1) {
        int head = unit.head / Shape::Group, column = Shape::query_column(unit.head), row = unit.tile * Tile::Rows;
        attention_load_owned<Tile>(shared, qkv, doutput, column, column, row, unit.sequence, phase);
        for (int block = ceil_div(minimum(row + Tile::Rows, length), Tile::Step) - 1; block >= 0; block--, ring.advance()) {
            barrier_wait(&shared.empty[ring.stage], ring.phase ^ 1);
            barrier_expect(&shared.c_full[ring.stage], Tile::StepBytes);
            attention_load_step<Tile>(shared.c[ring.stage], qkv, &shared.c_full[ring.stage], Shape::key_column(head), block * Tile::Step, unit.sequence);
            barrier_expect(&shared.d_full[ring.stage], Tile::StepBytes);
            attention_load_step<Tile>(shared.d[ring.stage], qkv, &shared.d_full[ring.stage], Shape::value_column(head), block * Tile::Step, unit.sequence);
        }
    }
}

template <class Tile>
__device__ __forceinline__ void attention_bwd_queries_sm90(const TensorMap& qkv, const TensorMap& doutput, const TensorMap& dqkv,
                                                           const AttentionBackward& p) {
    using Shape = typename Tile::Shape;
    auto& shared = attention_backward_begin<Tile>();
    AttentionSchedule schedule(ceil_div(p.length, Tile::Rows), Shape::Heads, p.batch, true);
    if (warpgroup_index() == 0) {
        registers_shrink<Tile::ProducerRegisters>();
        if (threadIdx.x == 0) attention_bwd_queries_load<Tile>(shared, qkv, doutput, schedule, p.length);
    } else {
        registers_grow<Tile::Registers>();
        int strip = warpgroup_index() - 1, thread = int(threadIdx.x) % 128;
        AttentionUnit unit;
        RingPosition<Tile::Stages> ring;
        float to_exponent = p.scale * 1.4426950408889634f;
        constexpr bool Tight = Tile::Strips == 3 && Shape::Width == 128;  // dP takes the registers of S
        float s[Tile::Step / 2], other[Tile::Step / 2], dq[Shape::Width / 2];
        auto& dp = *(Tight ? &s : &other);
        u32 probability[Tile::Step / 4], ds[Tile::Step / 4];
#pragma unroll
        for (int i = 0; i < Shape::Width / 2; i++) dq[i] = 0.0f;
        auto release = [&](u64* barrier) { if (thread == 0) barrier_arrive(barrier); };
        for (u32 phase = 0; schedule.next(unit); phase ^= 1) {
            int tile_row = unit.tile * Tile::Rows, row = tile_row + strip * 64, my_row = row + thread / 32 * 16 + thread % 32 / 4;
            int blocks = ceil_div(minimum(tile_row + Tile::Rows, p.length), Tile::Step), mine = row < p.length ? minimum(row / Tile::Step + 1, blocks) : 0;
            float lse[2], dot[2];
            attention_row_sums<Shape>(p, unit.sequence, unit.head, my_row, thread % 4, lse, dot);
            for (int skipped = mine; skipped < blocks; skipped++) {  // beyond this strip's diagonal; the other strip needs them
                barrier_wait(&shared.c_full[ring.stage], ring.phase);
                barrier_wait(&shared.d_full[ring.stage], ring.phase);
                named_barrier(1 + strip, 128);  // else a slow warp may miss the round that a quick one releases
                release(&shared.empty[ring.stage]);
                ring.advance();
            }
            barrier_wait(&shared.owned_full[strip], phase);
            if (mine == 0) {
                named_barrier(1 + strip, 128);
                release(&shared.owned_empty[strip]);
                continue;
            }
            int previous = ring.stage;
            for (int block = mine - 1; block >= 0; block--) {
                barrier_wait(&shared.c_full[ring.stage], ring.phase);
                wgmma_fence();
                attention_scores<Shape, Tile::Step>(s, shared.a[strip], shared.c[ring.stage]);
                wgmma_commit();
                barrier_wait(&shared.d_full[ring.stage], ring.phase);
                if constexpr (!Tight) {
                    wgmma_fence();
                    attention_scores<Shape, Tile::Step>(dp, shared.b[strip], shared.d[ring.stage]);
                    wgmma_commit();
                }
                wgmma_wait<Tight ? 0 : 1>();
                pin(s);
                if (block < mine - 1) release(&shared.empty[previous]);
                int past = block == mine - 1 ? my_row - block * Tile::Step - thread % 4 * 2 : 1 << 20;  // keys up to here are seen
#pragma unroll
                for (int j = 0; j < Tile::Step / 2; j++) {
                    s[j] = exp2_fast(fmaf(s[j], to_exponent, -lse[j >> 1 & 1]));
                    if (j / 4 * 8 + (j & 1) > past + (j & 2 ? 8 : 0)) s[j] = 0.0f;
                }
                if constexpr (Tight) {
                    attention_pack(s, probability);
                    wgmma_fence();
                    attention_scores<Shape, Tile::Step>(dp, shared.b[strip], shared.d[ring.stage]);
                    wgmma_commit();
                }
                wgmma_wait<0>();
                pin(dp);
#pragma unroll
                for (int j = 0; j < Tile::Step / 2; j++) {
                    float weight = !Tight ? s[j] : j & 1 ? high_half(probability[j / 2]) : low_half(probability[j / 2]);
                    dp[j] = weight * (dp[j] - dot[j >> 1 & 1]);
                }
                attention_pack(dp, ds);
                wgmma_fence();
                attention_combine<Shape, Tile::Step>(dq, ds, shared.c[ring.stage], block < mine - 1);
                wgmma_commit();
                previous = ring.stage;
                ring.advance();
            }
            wgmma_wait<0>();
            pin(dq);
            release(&shared.empty[previous]);
            release(&shared.owned_empty[strip]);
            attention_store_strip<Shape>(dq, p.scale, p.scale, dqkv, shared.result[strip], Shape::query_column(unit.head), row, unit.sequence, 1 + strip, thread);
        }
        if (thread == 0) store_wait<0>();
    }
    let_next_kernel_start();
}

// dK and dV. A block owns 128 keys of a key head and walks the queries that see them, head by head of its group.
template <class Tile>
__device__ __forceinline__ void attention_bwd_keys_load(AttentionBackwardShared<Tile>& shared, const TensorMap& qkv, const TensorMap& doutput,
                                                        const float* rows, AttentionSchedule schedule, int length, int batch) {
    using Shape = typename Tile::Shape;
    AttentionUnit unit;
    RingPosition<Tile::Stages> ring;
    int padded = attention_padded(length), blocks = ceil_div(length, Tile::Step);
    i64 plane = i64(batch) * Shape::Heads * padded;
    for (u32 phase = 1; schedule.next(unit); phase ^= 1) {
        int row = unit.tile * Tile::Rows;
        attention_load_owned<Tile>(shared, qkv, qkv, Shape::key_column(unit.head), Shape::value_column(unit.head), row, unit.sequence, phase);
        for (int head = unit.head * Shape::Group; head < (unit.head + 1) * Shape::Group; head++)
            for (int block = row / Tile::Step; block < blocks; block++, ring.advance()) {
                const float* from = rows + i64(unit.sequence * Shape::Heads + head) * padded + block * Tile::Step;
                barrier_wait(&shared.empty[ring.stage], ring.phase ^ 1);
                barrier_expect(&shared.c_full[ring.stage], Tile::StepBytes + Tile::Step * 8);
                attention_load_step<Tile>(shared.c[ring.stage], qkv, &shared.c_full[ring.stage], Shape::query_column(head), block * Tile::Step, unit.sequence);
                copy_bulk(shared.rows[ring.stage][0], from, Tile::Step * 4, &shared.c_full[ring.stage]);
                copy_bulk(shared.rows[ring.stage][1], from + plane, Tile::Step * 4, &shared.c_full[ring.stage]);
                barrier_expect(&shared.d_full[ring.stage], Tile::StepBytes);
                attention_load_step<Tile>(shared.d[ring.stage], doutput, &shared.d_full[ring.stage], Shape::query_column(head), block * Tile::Step, unit.sequence);
            }
    }
}

template <class Tile>
__device__ __forceinline__ void attention_bwd_keys_sm90(const TensorMap& qkv, const TensorMap& doutput, const TensorMap& dqkv,
                                                        const AttentionBackward& p) {
    using Shape = typename Tile::Shape;
    static_assert(Tile::Step == 64, "rows are padded to 64");
    auto& shared = attention_backward_begin<Tile>();
    AttentionSchedule schedule(ceil_div(p.length, Tile::Rows), Shape::KeyValueHeads, p.batch, false);
    if (warpgroup_index() == 0) {
        registers_shrink<Tile::ProducerRegisters>();
        if (threadIdx.x == 0) attention_bwd_keys_load<Tile>(shared, qkv, doutput, p.rows, schedule, p.length, p.batch);
    } else {
        registers_grow<Tile::Registers>();
        int strip = warpgroup_index() - 1, thread = int(threadIdx.x) % 128, blocks = ceil_div(p.length, Tile::Step);
        AttentionUnit unit;
        RingPosition<Tile::Stages> ring;
        float to_exponent = p.scale * 1.4426950408889634f;
        float s[Tile::Step / 2], other[Tile::Step / 2], dk[Shape::Width / 2], dv[Shape::Width / 2];
        auto& dp = *(Tile::Tight ? &s : &other);
        u32 probability[Tile::Step / 4], ds[Tile::Step / 4];
        auto release = [&](u64* barrier) { if (thread == 0) barrier_arrive(barrier); };
        for (u32 phase = 0; schedule.next(unit); phase ^= 1) {
            int tile_row = unit.tile * Tile::Rows, row = tile_row + strip * 64, first = row / Tile::Step;
            int my_key = row + thread / 32 * 16 + thread % 32 / 4;
#pragma unroll
            for (int i = 0; i < Shape::Width / 2; i++) dk[i] = dv[i] = 0.0f;
            barrier_wait(&shared.owned_full[strip], phase);
            for (int head = 0; head < Shape::Group; head++) {
                for (int block = tile_row / Tile::Step; block < minimum(first, blocks); block++) {  // queries before this strip's keys; the other strip needs them
                    barrier_wait(&shared.c_full[ring.stage], ring.phase);
                    barrier_wait(&shared.d_full[ring.stage], ring.phase);
                    named_barrier(1 + strip, 128);
                    release(&shared.empty[ring.stage]);
                    ring.advance();
                }
                int previous = ring.stage;
                for (int block = first; block < blocks; block++) {
                    barrier_wait(&shared.c_full[ring.stage], ring.phase);
                    wgmma_fence();
                    attention_scores<Shape, Tile::Step>(s, shared.a[strip], shared.c[ring.stage]);
                    wgmma_commit();
                    barrier_wait(&shared.d_full[ring.stage], ring.phase);
                    if constexpr (!Tile::Tight) {
                        wgmma_fence();
                        attention_scores<Shape, Tile::Step>(dp, shared.b[strip], shared.d[ring.stage]);
                        wgmma_commit();
                    }
                    wgmma_wait<Tile::Tight ? 0 : 1>();
                    pin(s);
                    if (block > first) release(&shared.empty[previous]);
                    int hidden = block == first ? my_key - block * Tile::Step - thread % 4 * 2 : -(1 << 20);  // queries before this do not see the key
#pragma unroll
                    for (int j = 0; j < Tile::Step / 2; j += 4) {
                        float2 lse = *reinterpret_cast<const float2*>(&shared.rows[ring.stage][0][j * 2 + thread % 4 * 2]);
                        s[j] = exp2_fast(fmaf(s[j], to_exponent, -lse.x));
                        s[j + 1] = exp2_fast(fmaf(s[j + 1], to_exponent, -lse.y));
                        s[j + 2] = exp2_fast(fmaf(s[j + 2], to_exponent, -lse.x));
                        s[j + 3] = exp2_fast(fmaf(s[j + 3], to_exponent, -lse.y));
                        if (j * 2 < hidden) s[j] = 0.0f;
                        if (j * 2 + 1 < hidden) s[j + 1] = 0.0f;
                        if (j * 2 < hidden + 8) s[j + 2] = 0.0f;
                        if (j * 2 + 1 < hidden + 8) s[j + 3] = 0.0f;
                    }
                    attention_pack(s, probability);
                    wgmma_fence();
                    if constexpr (Tile::Tight) {
                        attention_scores<Shape, Tile::Step>(dp, shared.b[strip], shared.d[ring.stage]);
                        wgmma_commit();
                    }
                    attention_combine<Shape, Tile::Step>(dv, probability, shared.d[ring.stage], true);
                    wgmma_commit();
                    wgmma_wait<1>();
                    pin(dp);
#pragma unroll
                    for (int j = 0; j < Tile::Step / 2; j += 4) {
                        float2 dot = *reinterpret_cast<const float2*>(&shared.rows[ring.stage][1][j * 2 + thread % 4 * 2]);
                        ds[j / 2] = pack(low_half(probability[j / 2]) * (dp[j] - dot.x), high_half(probability[j / 2]) * (dp[j + 1] - dot.y));
                        ds[j / 2 + 1] = pack(low_half(probability[j / 2 + 1]) * (dp[j + 2] - dot.x), high_half(probability[j / 2 + 1]) * (dp[j + 3] - dot.y));
                    }
                    wgmma_fence();
                    attention_combine<Shape, Tile::Step>(dk, ds, shared.c[ring.stage], true);
                    wgmma_commit();
                    previous = ring.stage;
                    ring.advance();
                }
                wgmma_wait<0>();
                pin(dk);
                pin(dv);
                if (first < blocks) release(&shared.empty[previous]);
            }
            release(&shared.owned_empty[strip]);
            attention_store_strip<Shape>(dk, p.scale, p.scale, dqkv, shared.result[strip], Shape::key_column(unit.head), row, unit.sequence, 1 + strip, thread);
            attention_store_strip<Shape>(dv, 1.0f, 1.0f, dqkv, shared.result[strip], Shape::value_column(unit.head), row, unit.sequence, 1 + strip, thread);
        }
        if (thread == 0) store_wait<0>();
    }
    let_next_kernel_start();
}
