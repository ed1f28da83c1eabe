// The key kernel of attention_bwd_sm90, on transposed scores: a block owns strips of keys and walks the queries that see them.

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
                    warpgroup_arrive(&shared.empty[ring.stage]);
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
                    if (block > first) warpgroup_arrive(&shared.empty[previous]);
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
                if (first < blocks) warpgroup_arrive(&shared.empty[previous]);
            }
            warpgroup_arrive(&shared.owned_empty[strip]);
            attention_turn_back<Shape>(dk, p, unit.sequence, my_key, thread % 4);
            attention_store_strip<Shape>(dk, p.scale, p.scale, dqkv, shared.result[strip], Shape::key_column(unit.head), row, unit.sequence, 1 + strip, thread);
            attention_store_strip<Shape>(dv, 1.0f, 1.0f, dqkv, shared.result[strip], Shape::value_column(unit.head), row, unit.sequence, 1 + strip, thread);
        }
        if (thread == 0) store_wait<0>();
    }
    let_next_kernel_start();
}

// The entry for fixed sizes, the second of the two. docs/kernels/emit.md states maps and launch.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_bwd_keys_sm90(const TensorMap& qkv, const TensorMap& d_o, const TensorMap& d_qkv, float* rows, const int* positions,
                                                        const float2* rotary, int batch) {
    attention_bwd_keys_sm90<AttentionKeysFor<AttentionHeads<Width, Heads, KeyValueHeads>, Length>>(
        qkv, d_o, d_qkv, AttentionBackward{nullptr, nullptr, nullptr, rows, Length, batch, 1.0f / sqrtf(float(Width)), positions, rotary});
}
