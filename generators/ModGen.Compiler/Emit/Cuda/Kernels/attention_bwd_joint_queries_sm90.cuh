// The warpgroup of attention_bwd_joint_sm90 that sums dQ, and the kernel.

// dQ: every step's dS times the keys, on top of what the earlier tiles of keys gave. The sums of the next step are under way to
// shared memory during this one, unless it is this one that writes them.
template <class Tile>
__device__ __forceinline__ void attention_bwd_joint_queries(AttentionJointShared<Tile>& shared, const TensorMap& dqkv, const AttentionJoint& joint) {
    using Shape = typename Tile::Shape;
    const AttentionBackward& p = joint.backward;
    int thread = int(threadIdx.x % 128);
    bool asked = false;
    AttentionWalk<Tile> walk(joint);
    RingPosition<Tile::Steps> ring;
    u32 phase = 1;
    float dq[Shape::Width / 2];
    auto ask = [&](const AttentionStep& step) {
        const float4* from = joint.sums + i64(attention_step_place<Tile>(joint, step)) * (16 * Shape::Width) + thread;
#pragma unroll
        for (int i = 0; i < Shape::Width / 8; i++) copy_async(shared_address(&shared.sums[i][thread]), from + i * 128, step.tile > 0);
        copy_async_commit();
    };
    while (walk.more()) {
        AttentionStep step = walk.step();
        int place = attention_step_place<Tile>(joint, step);
        if (walk.first()) {
            phase ^= 1;
            for (int strip = 0; strip < Tile::Strips; strip++) barrier_wait(&shared.owned_full[strip], phase);
        }
        if (!asked) ask(step);
        copy_async_wait<0>();
#pragma unroll
        for (int i = 0; i < Shape::Width / 8; i++) {
            float4 sum = shared.sums[i][thread];
            dq[4 * i] = sum.x, dq[4 * i + 1] = sum.y, dq[4 * i + 2] = sum.z, dq[4 * i + 3] = sum.w;
        }
        barrier_wait(&shared.ds_full[ring.stage], ring.phase);
        pin(dq);
        wgmma_fence();
        u64 a = tile_descriptor(shared_address(shared.ds[ring.stage]), 0);
#pragma unroll
        for (int strip = 0; strip < Tile::Strips; strip++) {  // one that these queries do not see has left zeros: products stand in no loop that ends early
            u64 b = tile_descriptor(shared_address(shared.k[strip]), Shape::Panel);
#pragma unroll
            for (int i = 0; i < 4; i++) Wgmma<Shape::Width, true, true>::ss(dq, a + (((strip * 4 + i) * 16 * 128) >> 4), b + ((i * 16 * 128) >> 4), 1);
        }
        wgmma_commit();
        bool ends = walk.last();
        walk.advance();
        AttentionStep next = walk.step();
        asked = next.block >= 0 && attention_step_place<Tile>(joint, next) != place;
        if (asked) ask(next);
        wgmma_wait<0>();
        pin(dq);
        warp_arrive(&shared.ds_empty[ring.stage]);
        ring.advance();
        if (step.tile == step.block / Tile::Strips) {  // the last keys that these queries see
            int row = step.block * Tile::Step;
            attention_turn_back<Shape>(dq, p, step.sequence, row + thread / 32 * 16 + thread % 32 / 4, thread % 4);
            attention_store_strip<Shape>(dq, p.scale, p.scale, dqkv, shared.result[Tile::Strips], Shape::query_column(step.head), row, step.sequence, 1 + Tile::Strips, thread);
        } else {
            float4* to = joint.sums + i64(place) * (16 * Shape::Width) + thread;
#pragma unroll
            for (int i = 0; i < Shape::Width / 8; i++) to[i * 128] = make_float4(dq[4 * i], dq[4 * i + 1], dq[4 * i + 2], dq[4 * i + 3]);
        }
        if (ends)
            for (int strip = 0; strip < Tile::Strips; strip++) warp_arrive(&shared.owned_empty[strip]);
    }
    if (thread == 0) store_wait<0>();
}

template <class Tile>
__device__ __forceinline__ void attention_bwd_joint_sm90(const TensorMap& qkv, const TensorMap& doutput, const TensorMap& dqkv, const AttentionJoint& joint) {
    using Shared = AttentionJointShared<Tile>;
    static_assert(sizeof(Shared) + 1024 <= 232448, "the tile does not fit in shared memory");
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    Shared& shared = *reinterpret_cast<Shared*>(attention_memory + ((1024u - (shared_address(attention_memory) & 1023u)) & 1023u));
    if (threadIdx.x == 0) {
        for (int i = 0; i < Tile::Strips; i++) { barrier_init(&shared.owned_full[i], 1); barrier_init(&shared.owned_empty[i], 8 * WarpArrivals); }
        for (int i = 0; i < Tile::Stages; i++) { barrier_init(&shared.q_full[i], 1); barrier_init(&shared.d_full[i], 1); barrier_init(&shared.rows_full[i], 4 * WarpArrivals); barrier_init(&shared.empty[i], 4 * WarpArrivals * Tile::Strips); }
        for (int i = 0; i < Tile::Steps; i++) { barrier_init(&shared.ds_full[i], 4 * WarpArrivals * Tile::Strips); barrier_init(&shared.ds_empty[i], 4 * WarpArrivals); }
        barrier_init_fence();
    }
    __syncthreads();
    wait_for_previous_kernel();
    if (warpgroup_index() == 0) {
        registers_shrink<Tile::RowRegisters>();
        attention_bwd_joint_rows<Tile>(shared, qkv, doutput, joint);
    } else if (warpgroup_index() <= Tile::Strips) {
        registers_grow<Tile::Registers>();
        attention_bwd_joint_keys<Tile>(shared, dqkv, joint);
    } else {
        registers_shrink<Tile::QueryRegisters>();
        attention_bwd_joint_queries<Tile>(shared, dqkv, joint);
    }
    let_next_kernel_start();
}

// The entry for fixed sizes. docs/kernels/emit.md states maps and launch.
template <int Heads, int KeyValueHeads, int Width, int Length>
__device__ __forceinline__ void attention_bwd_joint_sm90(const TensorMap& qkv, const TensorMap& d_o, const TensorMap& d_qkv, const bf16* o, const float* lse, float* rows,
                                                         float4* sums, const int* positions, const float2* rotary, int batch) {
    attention_bwd_joint_sm90<AttentionJointTile<AttentionHeads<Width, Heads, KeyValueHeads>>>(
        qkv, d_o, d_qkv, AttentionJoint{AttentionBackward{o, nullptr, lse, rows, Length, batch, 1.0f / sqrtf(float(Width)), positions, rotary}, sums});
}
