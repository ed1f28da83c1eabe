// A strip of keys of attention_bwd_joint_sm90, on transposed scores as in the key kernel.

// 64 keys x 64 queries of dS^T, as packed for the product with Q, to shared memory.
__device__ __forceinline__ void attention_leave_strip(const u32 (&ds)[16], unsigned char* to, int thread) {
    int lane = thread % 32, my_row = thread / 32 * 16 + (lane & 15), my_chunk = lane >> 4;
    u32 base = shared_address(to);
#pragma unroll
    for (int pair = 0; pair < 4; pair++)
        store_matrices(base + swizzled(my_row, pair * 2 + my_chunk), ds[pair * 4], ds[pair * 4 + 1], ds[pair * 4 + 2], ds[pair * 4 + 3]);
    async_proxy_fence();
}

// Transposed scores to probabilities, packed; the scores stay as they are, since what a product writes no other instruction may
// write while others are under way. On the diagonal a key is hidden from the queries before it.
template <int Step, bool Diagonal>
__device__ __forceinline__ void attention_probabilities(const float (&s)[Step / 2], const float* logarithms, float to_exponent, u32 (&probability)[Step / 4], int thread) {
    int hidden = thread / 32 * 16 + thread % 32 / 4 - thread % 4 * 2;  // queries before this do not see the key
#pragma unroll
    for (int j = 0; j < Step / 2; j += 4) {
        float2 lse = *reinterpret_cast<const float2*>(&logarithms[j * 2 + thread % 4 * 2]);
        float w[4] = {exp2_fast(fmaf(s[j], to_exponent, -lse.x)), exp2_fast(fmaf(s[j + 1], to_exponent, -lse.y)),
                      exp2_fast(fmaf(s[j + 2], to_exponent, -lse.x)), exp2_fast(fmaf(s[j + 3], to_exponent, -lse.y))};
        if (Diagonal) {
            if (j * 2 < hidden) w[0] = 0.0f;
            if (j * 2 + 1 < hidden) w[1] = 0.0f;
            if (j * 2 < hidden + 8) w[2] = 0.0f;
            if (j * 2 + 1 < hidden + 8) w[3] = 0.0f;
        }
        probability[j / 2] = pack(w[0], w[1]);
        probability[j / 2 + 1] = pack(w[2], w[3]);
    }
}

// dS^T = P^T (dP^T - D), with the probabilities as they were rounded.
template <int Step>
__device__ __forceinline__ void attention_score_gradients(const u32 (&probability)[Step / 4], const float (&dp)[Step / 2], const float* dots, u32 (&ds)[Step / 4], int thread) {
#pragma unroll
    for (int j = 0; j < Step / 2; j += 4) {
        float2 dot = *reinterpret_cast<const float2*>(&dots[j * 2 + thread % 4 * 2]);
        ds[j / 2] = pack(low_half(probability[j / 2]) * (dp[j] - dot.x), high_half(probability[j / 2]) * (dp[j + 1] - dot.y));
        ds[j / 2 + 1] = pack(low_half(probability[j / 2 + 1]) * (dp[j + 2] - dot.x), high_half(probability[j / 2 + 1]) * (dp[j + 3] - dot.y));
    }
}

template <class Tile>
__device__ __forceinline__ void attention_leave_step(AttentionJointShared<Tile>& shared, RingPosition<Tile::Steps>& left, const u32 (&ds)[Tile::Step / 4], int strip, int thread) {
    barrier_wait(&shared.ds_empty[left.stage], left.phase ^ 1);
    attention_leave_strip(ds, shared.ds[left.stage][strip], thread);
    warp_arrive(&shared.ds_full[left.stage]);
    left.advance();
}

// The queries of one head that see a strip of keys. `fresh` is the block of queries that begins dK and dV, or -1.
template <class Tile>
__device__ __forceinline__ void attention_bwd_joint_walk(AttentionJointShared<Tile>& shared, float to_exponent, int strip, int thread, int first, int fresh, int blocks,
                                                         RingPosition<Tile::Stages>& ring, RingPosition<Tile::Steps>& left, float (&dk)[Tile::Shape::Width / 2],
                                                         float (&dv)[Tile::Shape::Width / 2]) {
    using Shape = typename Tile::Shape;
    constexpr int Step = Tile::Step;
    float s[Step / 2], dp[Step / 2];
    u32 probability[Step / 4], ds[Step / 4];
    int previous = ring.stage;
    for (int block = first; block < blocks; block++) {
        barrier_wait(&shared.q_full[ring.stage], ring.phase);
        wgmma_fence();
        attention_scores<Shape, Step>(s, shared.k[strip], shared.q[ring.stage]);
        wgmma_commit();
        barrier_wait(&shared.d_full[ring.stage], ring.phase);
        wgmma_fence();
        attention_scores<Shape, Step>(dp, shared.v[strip], shared.d[ring.stage]);
        wgmma_commit();
        barrier_wait(&shared.rows_full[ring.stage], ring.phase);
        wgmma_wait<1>();
        pin(s);
        if (block > first) warp_arrive(&shared.empty[previous]);
        if (block == first) attention_probabilities<Step, true>(s, shared.rows[ring.stage][0], to_exponent, probability, thread);
        else attention_probabilities<Step, false>(s, shared.rows[ring.stage][0], to_exponent, probability, thread);
        wgmma_fence();
        attention_combine<Shape, Step>(dv, probability, shared.d[ring.stage], block > fresh);
        wgmma_commit();
        wgmma_wait<1>();
        pin(dp);
        attention_score_gradients<Step>(probability, dp, shared.rows[ring.stage][1], ds, thread);
        wgmma_fence();
        attention_combine<Shape, Step>(dk, ds, shared.q[ring.stage], block > fresh);
        wgmma_commit();
        attention_leave_step<Tile>(shared, left, ds, strip, thread);
        previous = ring.stage;
        ring.advance();
    }
    wgmma_wait<0>();
    pin(dk);
    pin(dv);
    if (first < blocks) warp_arrive(&shared.empty[previous]);
}

// A strip of keys: dK and dV, and dS^T of every step for the query warpgroup.
template <class Tile>
__device__ __forceinline__ void attention_bwd_joint_keys(AttentionJointShared<Tile>& shared, const TensorMap& dqkv, const AttentionJoint& joint) {
    using Shape = typename Tile::Shape;
    const AttentionBackward& p = joint.backward;
    AttentionWalk<Tile> walk(joint);
    int strip = warpgroup_index() - 1, thread = int(threadIdx.x % 128), blocks = ceil_div(p.length, Tile::Step);
    RingPosition<Tile::Stages> ring;
    RingPosition<Tile::Steps> left;
    float to_exponent = p.scale * 1.4426950408889634f;
    float dk[Shape::Width / 2], dv[Shape::Width / 2];
#pragma unroll
    for (int i = 0; i < Shape::Width / 2; i++) dk[i] = dv[i] = 0.0f;
    const u32 nothing[Tile::Step / 4] = {};
    for (u32 phase = 0; walk.more(); phase ^= 1, walk.next_tile()) {
        AttentionUnit unit = walk.unit();
        int tile_row = unit.tile * Tile::Rows, row = tile_row + strip * 64, first = row / Tile::Step;
        int my_key = row + thread / 32 * 16 + thread % 32 / 4;
        barrier_wait(&shared.owned_full[strip], phase);
        for (int head = 0; head < Shape::Group; head++) {
            for (int block = tile_row / Tile::Step; block < minimum(first, blocks); block++) {  // queries before this strip's keys; the other strips need them
                barrier_wait(&shared.q_full[ring.stage], ring.phase);
                barrier_wait(&shared.d_full[ring.stage], ring.phase);
                warp_arrive(&shared.empty[ring.stage]);
                attention_leave_step<Tile>(shared, left, nothing, strip, thread);
                ring.advance();
            }
            attention_bwd_joint_walk<Tile>(shared, to_exponent, strip, thread, first, head == 0 ? first : -1, blocks, ring, left, dk, dv);
        }
        warp_arrive(&shared.owned_empty[strip]);
        attention_turn_back<Shape>(dk, p, unit.sequence, my_key, thread % 4);
        attention_store_strip<Shape>(dk, p.scale, p.scale, dqkv, shared.result[strip], Shape::key_column(unit.head), row, unit.sequence, 1 + strip, thread);
        attention_store_strip<Shape>(dv, 1.0f, 1.0f, dqkv, shared.result[strip], Shape::value_column(unit.head), row, unit.sequence, 1 + strip, thread);
    }
    if (thread == 0) store_wait<0>();
}

