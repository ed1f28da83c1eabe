// Causal attention backward on Hopper as one kernel of five products, for short sequences: a block works through whole
// (sequence, key head) pairs, so that dQ, too, is summed in one order by one block. Each strip's warpgroup leaves its bfloat16
// dS^T in shared memory; one more warpgroup multiplies them by the keys, adds what earlier keys gave and puts the sum back, or
// out, where it is complete. A fourth copies, and computes D = <dO, O> of each query when it is first seen.

template <class Shape_>
struct AttentionJointTile {
    using Shape = Shape_;
    static constexpr int Strips = 2, Rows = 64 * Strips, Step = 64, Stages = 4, Steps = 2;  // Steps: of dS^T under way
    static constexpr int Threads = 128 * (Strips + 2), StepBytes = Step * Shape::Width * 2;
    static constexpr int Registers = 192, QueryRegisters = 72, RowRegisters = 56;
    static_assert(Shape::Width == 64, "wider heads leave no registers");
};

struct AttentionJoint {
    AttentionBackward backward;  // without doutput; rows: (blocks of the grid, Group, blocks of 64 queries, 64, 2) f32, lse . log2(e) and D
    float4* sums;                // (blocks of the grid, Group, blocks of 64 queries, 16 Width) float4: dQ so far, as the threads hold it
};

struct AttentionStep { int tile, sequence, head, block; };  // of keys; query head; of 64 queries, -1 for none

// Where a step's queries lie in the scratch of this block.
template <class Tile>
__device__ __forceinline__ int attention_step_place(const AttentionJoint& joint, const AttentionStep& step) {
    constexpr int Group = Tile::Shape::Group;
    return (int(blockIdx.x) * Group + step.head % Group) * ceil_div(joint.backward.length, Tile::Step) + step.block;
}

// The steps of a block in their order: pairs, tiles of keys, query heads of the group, blocks of queries that see the tile.
template <class Tile>
struct AttentionWalk {
    const AttentionJoint& joint;
    int pair, tile = 0, head = 0, block = 0;

    __device__ __forceinline__ explicit AttentionWalk(const AttentionJoint& joint_) : joint(joint_), pair(int(blockIdx.x)) { }

    __device__ __forceinline__ bool more() const { return pair < Tile::Shape::KeyValueHeads * joint.backward.batch; }
    __device__ __forceinline__ int blocks() const { return ceil_div(joint.backward.length, Tile::Step); }
    __device__ __forceinline__ bool first() const { return head == 0 && block == tile * Tile::Strips; }  // of its tile
    __device__ __forceinline__ bool last() const { return head == Tile::Shape::Group - 1 && block == blocks() - 1; }
    __device__ __forceinline__ AttentionUnit unit() const { return {tile, pair % Tile::Shape::KeyValueHeads, pair / Tile::Shape::KeyValueHeads}; }
    __device__ __forceinline__ AttentionStep step() const {
        AttentionUnit u = unit();
        return {tile, u.sequence, u.head * Tile::Shape::Group + head, more() ? block : -1};
    }

    __device__ __forceinline__ void advance() {
        if (++block < blocks()) return;
        if (++head == Tile::Shape::Group) next_tile();
        block = tile * Tile::Strips;
    }
    __device__ __forceinline__ void next_tile() {
        head = 0;
        if (++tile * Tile::Strips < blocks()) return;
        tile = 0;
        pair += int(gridDim.x);
    }
};

template <class Tile>
struct AttentionJointShared {
    alignas(1024) unsigned char k[Tile::Strips][Tile::Shape::StripBytes];
    alignas(1024) unsigned char v[Tile::Strips][Tile::Shape::StripBytes];
    alignas(1024) unsigned char q[Tile::Stages][Tile::StepBytes];
    alignas(1024) unsigned char d[Tile::Stages][Tile::StepBytes];
    alignas(1024) unsigned char ds[Tile::Steps][Tile::Strips][64 * 128];  // a key's 64 queries a row
    alignas(1024) unsigned char result[Tile::Strips + 1][Tile::Shape::StripBytes];
    alignas(128) float4 sums[Tile::Shape::Width / 8][128];     // of dQ, for the next step: each thread's own
    alignas(128) uint4 outputs[Tile::Shape::Width / 16][128];  // of the forward pass, for D: each thread's own
    alignas(128) float rows[Tile::Stages][2][Tile::Step];      // of the walked queries: lse and D
    u64 owned_full[Tile::Strips], owned_empty[Tile::Strips];
    u64 q_full[Tile::Stages], d_full[Tile::Stages], rows_full[Tile::Stages], empty[Tile::Stages];
    u64 ds_full[Tile::Steps], ds_empty[Tile::Steps];
};
