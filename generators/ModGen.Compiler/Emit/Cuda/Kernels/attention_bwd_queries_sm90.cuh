// The query kernel of attention_bwd_sm90: a block owns strips of queries and walks the keys they see.

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
        for (u32 phase = 0; schedule.next(unit); phase ^= 1) {
            int tile_row = unit.tile * Tile::Rows, row = tile_row + strip * 64, my_row = row + thread / 32 * 16 + thread % 32 / 4;
            int blocks = ceil_div(minimum(tile_row + Tile::Rows, p.length), Tile::Step), mine = row < p.length ? minimum(row / Tile::Step + 1, blocks) : 0;
            float lse[2], dot[2];
            attention_row_sums<Shape>(p, unit.sequence, unit.head, my_row, thread % 4, lse, dot);
            for (int skipped = mine; skipped < blocks; skipped++) {  // beyond this strip's diagonal; the other strip needs them
                barrier_wait(&shared.c_full[ring.stage], ring.phase);
                barrier_wait(&shared.d_full[ring.stage], ring.phase);
                named_barrier(1 + strip, 128);  // else a slow warp may miss the round that a quick one releases
                warpgroup_arrive(&shared.empty[ring.stage]);
                ring.advance();
            }
            barrier_wait(&shared.owned_full[strip], phase);
            if (mine == 0) {
                named_barrier(1 + strip, 128);
                warpgroup_arrive(&shared.owned_empty[strip]);
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
                if (block < mine - 1) warpgroup_arrive(&shared.empty[previous]);
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
            warpgroup_arrive(&shared.empty[previous]);
            warpgroup_arrive(&shared.owned_empty[strip]);
            attention_turn_back<Shape>(dq, p, unit.sequence, row + thread / 32 * 16 + thread % 32 / 4, thread % 4);
            attention_store_strip<Shape>(dq, p.scale, p.scale, dqkv, shared.result[strip], Shape::query_column(unit.head), row, unit.sequence, 1 + strip, thread);
        }
        if (thread == 0) store_wait<0>();
    }
    let_next_kernel_start();
}

// The entry for fixed sizes, and the first of the two: it leaves `rows`. docs/kernels/emit.md states maps and launch.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_bwd_queries_sm90(const TensorMap& qkv, const TensorMap& d_o, const TensorMap& d_qkv, const bf16* o, const bf16* d_output,
                                                           const float* lse, float* rows, const int* positions, const float2* rotary, int batch) {
    attention_bwd_queries_sm90<AttentionQueriesFor<AttentionHeads<Width, Heads, KeyValueHeads>, Length>>(
        qkv, d_o, d_qkv, AttentionBackward{o, d_output, lse, rows, Length, batch, 1.0f / sqrtf(float(Width)), positions, rotary});
}
