// Grouped products of linear layers on Hopper, as experts have them: Groups matrices W (Groups, outputs, inputs), and rows of the
// batch that lie together by group, each of which meets its group's matrix alone.
//
//   forward          Y  = X . W[g]^T      linear_grouped_sm90, B k-major
//   input gradient   dX = dY . W[g]       linear_grouped_sm90, B mn-major
//   weight gradient  dW[g] = dY^T . X     linear_grouped_wgrad_sm90, over the rows of g
//
// Group g has rows [starts[g], starts[g + 1]), a multiple of a tile's rows (Rows * Cluster; of 64 in the weight gradient), none at
// all included; starts (Groups + 1) lies on the device and begins with 0. What a group has of rows beyond its own is zero in X and
// dY; it becomes zero in Y and dX. Rows from starts[Groups] on are neither read nor written.
//
// Maps and launch as of linear_sm90, B's and the weights' gradient's over all groups as one matrix of Groups * outputs rows. Where
// outputs do not fill whole steps of the reduction, the input gradient multiplies its zeros with the next group's weights, which
// must be finite. Families: prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90 linear_groups
// linear_grouped_sm90.

// Units of products whose m counts rows of the batch: the tiles of linear_sm90, each with the matrix of its rows' group.
template <class Tile, int Groups>
struct LinearRowGroups : LinearSchedule<Tile> {
    const int* starts;
    int height;  // rows of a group's matrix

    __device__ __forceinline__ LinearRowGroups(const int* starts_, int n, int k, int height_)
        : LinearSchedule<Tile>(starts_[Groups], n, k, 1), starts(starts_), height(height_) { }

    __device__ __forceinline__ bool next(LinearUnit& u) {
        if (!LinearSchedule<Tile>::next(u)) return false;
        u.group = group_of_row<Groups>(starts, u.m * Tile::Rows * Tile::Cluster);
        u.before = u.group * height;
        return true;
    }
};

// Units of products whose k counts rows of the batch: one group's tiles after the other's, over the group's rows.
template <class Tile, int Groups>
struct LinearReductionGroups : LinearSchedule<Tile> {
    const int* starts;

    __device__ __forceinline__ LinearReductionGroups(const int* starts_, int m, int n) : LinearSchedule<Tile>(m, n, 0, Groups), starts(starts_) { }

    __device__ __forceinline__ bool next(LinearUnit& u) {
        if (!LinearSchedule<Tile>::next(u)) return false;
        u.group = u.slice;
        u.slice = 0;
        group_steps<Tile::Depth>(starts, u.group, u.step, u.last);
        return true;
    }
};

// `height` is the number of rows of a group's matrix: the layer's outputs in either product.
template <class Tile, int Groups, class Epilogue>
__device__ __forceinline__ void linear_grouped_sm90(const TensorMap& map_a, const TensorMap& map_b, const int* starts, int n, int k, int height, const Epilogue& epilogue) {
    static_assert(!Tile::MnMajorA && Tile::Split == 0, "rows of the batch are rows of C");
    linear_tiles_sm90<Tile>(map_a, map_b, [&] { return LinearRowGroups<Tile, Groups>(starts, n, k, height); }, epilogue);
}

template <class Tile, int Groups>
__device__ __forceinline__ void linear_grouped_wgrad_sm90(const TensorMap& map_a, const TensorMap& map_b, const int* starts, float* gradient, int m, int n, bool add) {
    static_assert(Tile::MnMajorA && Tile::MnMajorB, "rows of the batch are steps of the reduction");
    linear_tiles_sm90<Tile>(map_a, map_b, [&] { return LinearReductionGroups<Tile, Groups>(starts, m, n); }, AccumulateApart{gradient, m, n, add});
}
