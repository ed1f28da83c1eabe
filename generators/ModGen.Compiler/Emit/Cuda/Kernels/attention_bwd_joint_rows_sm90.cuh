// The warpgroup of attention_bwd_joint_sm90 that copies and brings each query's logarithm and D.

// The strips that a block owns; one thread's affair.
template <class Tile>
__device__ __forceinline__ void attention_joint_load_owned(AttentionJointShared<Tile>& shared, const TensorMap& qkv, const AttentionUnit& unit, u32 phase) {
    using Shape = typename Tile::Shape;
    for (int strip = 0; strip < Tile::Strips; strip++) {
        int row = unit.tile * Tile::Rows + strip * 64;
        barrier_wait(&shared.owned_empty[strip], phase ^ 1);
        barrier_expect(&shared.owned_full[strip], 2 * Shape::StripBytes);
        attention_load_strip<Shape>(shared.k[strip], Shape::Panel, qkv, &shared.owned_full[strip], Shape::key_column(unit.head), row, unit.sequence);
        attention_load_strip<Shape>(shared.v[strip], Shape::Panel, qkv, &shared.owned_full[strip], Shape::value_column(unit.head), row, unit.sequence);
    }
}

// The next step's queries and dO. All threads keep count, one copies. Returns the step, or one of block -1 after the last.
template <class Tile>
__device__ __forceinline__ AttentionStep attention_joint_load_step(AttentionJointShared<Tile>& shared, const TensorMap& qkv, const TensorMap& doutput, AttentionWalk<Tile>& walk,
                                                                   RingPosition<Tile::Stages>& ring, int thread) {
    using Shape = typename Tile::Shape;
    AttentionStep step = walk.step();
    if (step.block < 0) return step;
    if (thread == 0) {
        int column = Shape::query_column(step.head), row = step.block * Tile::Step;
        barrier_wait(&shared.empty[ring.stage], ring.phase ^ 1);
        barrier_expect(&shared.q_full[ring.stage], Tile::StepBytes);
        attention_load_strip<Shape>(shared.q[ring.stage], Shape::Panel, qkv, &shared.q_full[ring.stage], column, row, step.sequence);
        barrier_expect(&shared.d_full[ring.stage], Tile::StepBytes);
        attention_load_strip<Shape>(shared.d[ring.stage], Shape::Panel, doutput, &shared.d_full[ring.stage], column, row, step.sequence);
    }
    __syncwarp();
    walk.advance();
    ring.advance();
    return step;
}

// Logarithm and D of a step's queries, two threads a query. A block computes them in its first pass over the keys and keeps
// them for the others: each thread finds again what it wrote itself.
template <class Tile>
struct AttentionJointRows {
    using Shape = typename Tile::Shape;
    static constexpr int Pieces = Shape::Width / 16;  // of 16 bytes, half a row
    const AttentionJoint& joint;
    RingPosition<Tile::Stages> ring;
    float value;  // the even thread's is the logarithm, the odd one's is D

    __device__ __forceinline__ explicit AttentionJointRows(const AttentionJoint& joint_) : joint(joint_) { }
    __device__ __forceinline__ bool computes(const AttentionStep& step) const { return step.tile == 0; }
    __device__ __forceinline__ float* kept(const AttentionStep& step, int thread) const {
        return joint.backward.rows + attention_step_place<Tile>(joint, step) * 128 + thread;
    }

    // Asks for what `leave` needs.
    __device__ __forceinline__ void ask(AttentionJointShared<Tile>& shared, const AttentionStep& step, int thread) {
        const AttentionBackward& p = joint.backward;
        if (step.block < 0) return;
        if (!computes(step)) {
            value = *kept(step, thread);
            return;
        }
        int row = step.block * Tile::Step + thread / 2;
        bool inside = row < p.length;
        value = MODGEN_INFINITY;
        if (inside && thread % 2 == 0) value = p.lse[(i64(step.sequence) * Shape::Heads + step.head) * p.length + row] * 1.4426950408889634f;
        i64 at = ((i64(step.sequence) * p.length + row) * Shape::Heads + step.head) * Shape::Width + thread % 2 * (Shape::Width / 2);
#pragma unroll
        for (int i = 0; i < Pieces; i++) copy_async(shared_address(&shared.outputs[i][thread]), p.output + at + i * 8, inside);
        copy_async_commit();
    }

    __device__ __forceinline__ void leave(AttentionJointShared<Tile>& shared, const AttentionStep& step, int thread) {
        if (step.block < 0) return;
        barrier_wait(&shared.empty[ring.stage], ring.phase ^ 1);
        if (computes(step)) {
            barrier_wait(&shared.d_full[ring.stage], ring.phase);
            copy_async_wait<0>();
            float dot = 0.0f;
#pragma unroll
            for (int i = 0; i < Pieces; i++) {
                int chunk = thread % 2 * Pieces + i;
                float x[8], y[8];
                unpack(shared.outputs[i][thread], x);
                unpack(*reinterpret_cast<const uint4*>(shared.d[ring.stage] + chunk / 8 * Shape::Panel + swizzled(thread / 2, chunk % 8)), y);
#pragma unroll
                for (int e = 0; e < 8; e++) dot += x[e] * y[e];
            }
            dot += __shfl_xor_sync(0xffffffffu, dot, 1);
            if (thread % 2 != 0) value = dot;
            *kept(step, thread) = value;
        }
        shared.rows[ring.stage][thread % 2][thread / 2] = value;
        warp_arrive(&shared.rows_full[ring.stage]);
        ring.advance();
    }
};

template <class Tile>
__device__ __forceinline__ void attention_bwd_joint_rows(AttentionJointShared<Tile>& shared, const TensorMap& qkv, const TensorMap& doutput, const AttentionJoint& joint) {
    int thread = int(threadIdx.x % 128);
    AttentionWalk<Tile> walk(joint);
    AttentionJointRows<Tile> rows(joint);
    RingPosition<Tile::Stages> ring;
    AttentionStep before{0, 0, 0, -1};
    u32 phase = 1;
    bool more = true;
    while (more) {
        more = walk.more();
        bool first = more && walk.first();
        AttentionUnit unit = walk.unit();
        AttentionStep step = attention_joint_load_step<Tile>(shared, qkv, doutput, walk, ring, thread);
        rows.leave(shared, before, thread);  // a step behind the copies, so that it does not wait for its own
        rows.ask(shared, step, thread);
        before = step;
        if (!first) continue;
        phase ^= 1;
        if (thread == 0) attention_joint_load_owned<Tile>(shared, qkv, unit, phase);
        __syncwarp();
    }
}
