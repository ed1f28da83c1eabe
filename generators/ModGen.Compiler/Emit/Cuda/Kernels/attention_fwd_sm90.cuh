// Causal attention forward on Hopper: O = softmax(Q K^T / sqrt(Width)) V and the logarithms of the softmax sums.
//
// One persistent block a multiprocessor: a producer thread streams key and value tiles through a ring, each consumer
// warpgroup owns a strip of 64 queries. Scores stay in registers and become the left operand of the second product
// (Dao 2023; Shah et al. 2024): the next score product is issued before the value product of this step, so that the
// exponentials of one overlap the other. Keys are walked from the diagonal down: only the first step is masked.

// QueryStages: tiles of queries that are there or under way. Two let the copies of a block's second tile begin with the first's.
template <class Shape_, int Strips_, int Keys_, int Stages_, bool Turns_, int QueryStages_ = 1>
struct AttentionForwardTile {
    using Shape = Shape_;
    static constexpr int Strips = Strips_, Rows = 64 * Strips, Keys = Keys_, Stages = Stages_, QueryStages = QueryStages_;
    static constexpr bool Turns = Turns_;  // warpgroups issue their products in turn, so that one's softmax meets the other's products
    static constexpr int Threads = 128 * (Strips + 1), KeyBytes = Keys * Shape::Width * 2;
    static constexpr int Registers = Strips == 4 ? 112 : Strips == 3 ? 160 : 232, ProducerRegisters = Strips == 4 ? 24 : Strips == 3 ? 32 : 40;
    static_assert(Strips >= 2 && Strips <= 4, "two to four consumer warpgroups");
    static_assert(Keys == 64 || Keys == 128, "a step is one or two boxes of keys");
    static_assert(!Turns || (Strips == 2 && Keys == 128), "turns want warpgroups with equal work");
};

// The tile for sequences of about Length positions, as measured: short ones want a block's second tile asked for with its first, and
// narrow heads all of a sequence in a block; else wide heads take three warpgroups until the sequence is so long that the
// larger product pays.
template <class Shape, int Length, bool Wide = (Shape::Width == 128), bool Short = (Length <= 256), bool Long = (Wide && Length >= 4096)>
using AttentionForwardFor = AttentionForwardTile<Shape, Short ? (Wide ? 2 : 4) : Long ? 2 : 3, Short || (Wide && !Long) ? 64 : 128,
                                                 Short ? (Wide ? 4 : 8) : Long ? 2 : 3, Long, Short ? 2 : 1>;

template <class Tile>
struct AttentionForwardShared {
    alignas(1024) unsigned char q[Tile::QueryStages][Tile::Strips][Tile::Shape::StripBytes];
    alignas(1024) unsigned char k[Tile::Stages][Tile::KeyBytes];
    alignas(1024) unsigned char v[Tile::Stages][Tile::KeyBytes];
    alignas(1024) unsigned char o[Tile::Strips][Tile::Shape::StripBytes];
    u64 q_full[Tile::QueryStages][Tile::Strips], q_empty[Tile::QueryStages][Tile::Strips];
    u64 k_full[Tile::Stages], k_empty[Tile::Stages], v_full[Tile::Stages], v_empty[Tile::Stages];
};

template <class Tile>
__device__ __forceinline__ void attention_forward_load(AttentionForwardShared<Tile>& shared, const TensorMap& qkv, int length, int batch) {
    using Shape = typename Tile::Shape;
    AttentionSchedule schedule(ceil_div(length, Tile::Rows), Shape::Heads, batch, true);
    AttentionUnit unit;
    RingPosition<Tile::Stages> ring;
    for (RingPosition<Tile::QueryStages> queries; schedule.next(unit); queries.advance()) {
        int head = unit.head / Shape::Group, row = unit.tile * Tile::Rows;
        for (int strip = 0; strip < Tile::Strips; strip++) {
            u64* full = &shared.q_full[queries.stage][strip];
            barrier_wait(&shared.q_empty[queries.stage][strip], queries.phase ^ 1);
            barrier_expect(full, Shape::StripBytes);
            attention_load_strip<Shape>(shared.q[queries.stage][strip], Shape::Panel, qkv, full, Shape::query_column(unit.head), row + strip * 64, unit.sequence);
        }
        for (int block = ceil_div(minimum(row + Tile::Rows, length), Tile::Keys) - 1; block >= 0; block--, ring.advance()) {
            barrier_wait(&shared.k_empty[ring.stage], ring.phase ^ 1);
            barrier_expect(&shared.k_full[ring.stage], Tile::KeyBytes);
            for (int half = 0; half < Tile::Keys / 64; half++)
                attention_load_strip<Shape>(shared.k[ring.stage] + half * Shape::Panel, Tile::Keys * 128, qkv, &shared.k_full[ring.stage],
                                            Shape::key_column(head), block * Tile::Keys + half * 64, unit.sequence);
            barrier_wait(&shared.v_empty[ring.stage], ring.phase ^ 1);
            barrier_expect(&shared.v_full[ring.stage], Tile::KeyBytes);
            for (int half = 0; half < Tile::Keys / 64; half++)
                attention_load_strip<Shape>(shared.v[ring.stage] + half * Shape::Panel, Tile::Keys * 128, qkv, &shared.v_full[ring.stage],
                                            Shape::value_column(head), block * Tile::Keys + half * 64, unit.sequence);
        }
    }
}

template <class Tile>
__device__ __forceinline__ void attention_fwd_sm90(const TensorMap& qkv, const TensorMap& output, float* lse, int length, int batch, float scale) {
    using Shape = typename Tile::Shape;
    using Shared = AttentionForwardShared<Tile>;
    static_assert(Tile::Shape::Width % 64 == 0, "heads are whole panels of 64");
    static_assert(sizeof(Shared) + 1024 <= 232448, "the tile does not fit in shared memory");
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    Shared& shared = *reinterpret_cast<Shared*>(attention_memory + ((1024u - (shared_address(attention_memory) & 1023u)) & 1023u));
    int strip = warpgroup_index() - 1, thread = int(threadIdx.x) % 128;
    if (threadIdx.x == 0) {
        prefetch(qkv);
        for (int i = 0; i < Tile::QueryStages * Tile::Strips; i++) {
            barrier_init(&shared.q_full[i / Tile::Strips][i % Tile::Strips], 1);
            barrier_init(&shared.q_empty[i / Tile::Strips][i % Tile::Strips], 1);
        }
        for (int i = 0; i < Tile::Stages; i++) {
            barrier_init(&shared.k_full[i], 1);
            barrier_init(&shared.v_full[i], 1);
            barrier_init(&shared.k_empty[i], Tile::Strips);
            barrier_init(&shared.v_empty[i], Tile::Strips);
        }
        barrier_init_fence();
    }
    __syncthreads();
    wait_for_previous_kernel();

    if (strip < 0) {
        registers_shrink<Tile::ProducerRegisters>();
        if (thread == 0) attention_forward_load<Tile>(shared, qkv, length, batch);
    } else {
        registers_grow<Tile::Registers>();
        AttentionSchedule schedule(ceil_div(length, Tile::Rows), Shape::Heads, batch, true);
        AttentionUnit unit;
        RingPosition<Tile::Stages> k_ring, v_ring;
        float to_exponent = scale * 1.4426950408889634f;
        float s[Tile::Keys / 2], o[Shape::Width / 2];
        u32 p[Tile::Keys / 4];
#pragma unroll
        for (int i = 0; i < Shape::Width / 2; i++) o[i] = 0.0f;
        auto release = [&](u64* barrier) { if (thread == 0) barrier_arrive(barrier); };
        constexpr int TurnBarrier = 8;  // and the one after it; 1.. are the strips' own
        if (Tile::Turns && strip == 1) named_barrier_arrive(TurnBarrier, 256);

        for (RingPosition<Tile::QueryStages> queries; schedule.next(unit); queries.advance()) {
            int tile_row = unit.tile * Tile::Rows, row = tile_row + strip * 64;
            int blocks = ceil_div(minimum(tile_row + Tile::Rows, length), Tile::Keys);
            int mine = row < length || Tile::Turns ? minimum(row / Tile::Keys + 1, blocks) : 0;
            for (int skipped = mine; skipped < blocks; skipped++) {  // beyond this strip's diagonal; other strips need them
                barrier_wait(&shared.k_full[k_ring.stage], k_ring.phase);
                barrier_wait(&shared.v_full[v_ring.stage], v_ring.phase);
                named_barrier(1 + strip, 128);  // else a slow warp may miss the round that a quick one releases
                release(&shared.k_empty[k_ring.stage]);
                release(&shared.v_empty[v_ring.stage]);
                k_ring.advance();
                v_ring.advance();
            }
            const unsigned char* q = shared.q[queries.stage][strip];
            barrier_wait(&shared.q_full[queries.stage][strip], queries.phase);
            if (mine == 0) {
                named_barrier(1 + strip, 128);
                release(&shared.q_empty[queries.stage][strip]);
                continue;
            }
            barrier_wait(&shared.k_full[k_ring.stage], k_ring.phase);
            wgmma_fence();
            attention_scores<Shape, Tile::Keys>(s, q, shared.k[k_ring.stage]);
            wgmma_commit();
            wgmma_wait<0>();
            pin(s);
            release(&shared.k_empty[k_ring.stage]);
            k_ring.advance();
            int my_row = row + thread / 32 * 16 + thread % 32 / 4;
            int past = my_row - (mine - 1) * Tile::Keys - thread % 4 * 2;  // keys up to here are seen
#pragma unroll
            for (int j = 0; j < Tile::Keys / 2; j++) {
                int key = j / 4 * 8 + (j & 1);
                if (key > past + (j & 2 ? 8 : 0)) s[j] = -MODGEN_INFINITY;
            }
            SoftmaxRows rows;
            softmax_step<true>(s, rows, to_exponent);
            attention_pack(s, p);
            for (int block = mine - 2; block >= 0; block--) {
                barrier_wait(&shared.k_full[k_ring.stage], k_ring.phase);
                if (Tile::Turns) named_barrier(TurnBarrier + strip, 256);
                wgmma_fence();
                attention_scores<Shape, Tile::Keys>(s, q, shared.k[k_ring.stage]);
                wgmma_commit();
                barrier_wait(&shared.v_full[v_ring.stage], v_ring.phase);
                wgmma_fence();
                attention_combine<Shape, Tile::Keys>(o, p, shared.v[v_ring.stage], block < mine - 2);
                wgmma_commit();
                if (Tile::Turns) named_barrier_arrive(TurnBarrier + 1 - strip, 256);
                wgmma_wait<1>();
                pin(s);
                release(&shared.k_empty[k_ring.stage]);
                k_ring.advance();
                softmax_step<false>(s, rows, to_exponent);
                wgmma_wait<0>();
                pin(o);
                release(&shared.v_empty[v_ring.stage]);
                v_ring.advance();
#pragma unroll
                for (int j = 0; j < Shape::Width / 2; j++) o[j] *= rows.decay[j >> 1 & 1];
                attention_pack(s, p);
            }
            release(&shared.q_empty[queries.stage][strip]);
            barrier_wait(&shared.v_full[v_ring.stage], v_ring.phase);
            wgmma_fence();
            attention_combine<Shape, Tile::Keys>(o, p, shared.v[v_ring.stage], mine > 1);
            wgmma_commit();
#pragma unroll
            for (int r = 0; r < 2; r++) {
                rows.sum[r] += __shfl_xor_sync(0xffffffffu, rows.sum[r], 1);
                rows.sum[r] += __shfl_xor_sync(0xffffffffu, rows.sum[r], 2);
                if (thread % 4 == 0 && my_row + r * 8 < length)
                    lse[i64(unit.sequence * Shape::Heads + unit.head) * length + my_row + r * 8] =
                        rows.max[r] * scale + log2_fast(rows.sum[r]) * 0.6931471805599453f;
            }
            wgmma_wait<0>();
            pin(o);
            release(&shared.v_empty[v_ring.stage]);
            v_ring.advance();
            attention_store_strip<Shape>(o, reciprocal(rows.sum[0]), reciprocal(rows.sum[1]), output, shared.o[strip],
                                         Shape::query_column(unit.head), row, unit.sequence, 1 + strip, thread);
        }
        if (Tile::Turns && strip == 0) named_barrier(TurnBarrier, 256);  // the arrival that opened the turns is left over
        if (thread == 0) store_wait<0>();
    }
    let_next_kernel_start();
}

// The entry for fixed sizes; docs/kernels/emit.md states maps and launch.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_fwd_sm90(const TensorMap& qkv, const TensorMap& o, float* lse, int batch) {
    attention_fwd_sm90<AttentionForwardFor<AttentionHeads<Width, Heads, KeyValueHeads>, Length>>(qkv, o, lse, Length, batch, 1.0f / sqrtf(float(Width)));
}
