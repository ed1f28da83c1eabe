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

// Units of products whose k counts rows of the batch: one group's tiles after the other's, over the group's rows. Those of the last
// wave, which would leave blocks without any, are cut into up to four slices, a slice a block, which add in turn.
template <class Tile, int Groups>
struct LinearReductionGroups : LinearSchedule<Tile> {
    const int* starts;
    int full, rest, cut;  // units of whole waves, tiles of the last one, slices of these

    __device__ __forceinline__ LinearReductionGroups(const int* starts_, int m, int n) : LinearSchedule<Tile>(m, n, 0, 1), starts(starts_) {
        int tiles = this->units * Groups;
        full = tiles / this->stride * this->stride;
        rest = tiles - full;
        cut = rest > 0 ? minimum(this->stride / rest, 4) : 1;
        this->units = full + rest * cut;
    }

    __device__ __forceinline__ bool next(LinearUnit& u) {
        if (this->unit >= this->units) return false;
        int tail = this->unit - full, slice = tail < 0 ? 0 : tail / rest, at = tail < 0 ? this->unit : full + tail - slice * rest;
        int tiles = this->tiles_m * this->tiles_n, stride = this->stride;
        u.group = at / tiles;
        LinearSchedule<Tile> one = *this;  // the order of the tiles within a group
        one.unit = at - u.group * tiles;
        one.units = tiles;
        one.slices = 1;
        one.next(u);
        this->slices = tail < 0 ? 1 : cut;
        u.slice = slice;
        u.tile = at - full;
        int first = starts[u.group] / Tile::Depth, steps = starts[u.group + 1] / Tile::Depth - first;
        u.step = first + steps * slice / this->slices;
        u.last = first + steps * (slice + 1) / this->slices;
        if (u.step == u.last) nothing_to_add(u.step, u.last);
        this->unit += stride;
        return true;
    }
};

// Stores or adds the gradients of the groups' matrices.
struct AccumulateGroups : LinearEpilogue {
    template <class Tile> static constexpr int staging_bytes = AccumulateF32::staging_bytes<Tile>;
    float* gradient;  // (groups, m, n) f32
    u32* turns;       // (blocks, Consumers), zero before and after
    int m, n;
    bool add;
    __device__ AccumulateGroups(float* gradient_, u32* turns_, int m_, int n_, bool add_) : gradient(gradient_), turns(turns_), m(m_), n(n_), add(add_) { }
    template <class Tile> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, Nothing nothing) const {
        AccumulateF32(gradient + i64(at.group) * m * n, turns, m, n, add).template apply<Tile>(acc, at, nothing);
    }
};

// `height` is the number of rows of a group's matrix: the layer's outputs in either product.
template <class Tile, int Groups, class Epilogue>
__device__ __forceinline__ void linear_grouped_sm90(const TensorMap& map_a, const TensorMap& map_b, const int* starts, int n, int k, int height, const Epilogue& epilogue) {
    static_assert(!Tile::MnMajorA && Tile::Split == 0, "rows of the batch are rows of C");
    linear_tiles_sm90<Tile>(map_a, map_b, [&] { return LinearRowGroups<Tile, Groups>(starts, n, k, height); }, epilogue);
}

template <class Tile, int Groups>
__device__ __forceinline__ void linear_grouped_wgrad_sm90(const TensorMap& map_a, const TensorMap& map_b, const int* starts, float* gradient, u32* turns, int m, int n, bool add) {
    static_assert(Tile::MnMajorA && Tile::MnMajorB, "rows of the batch are steps of the reduction");
    linear_tiles_sm90<Tile>(map_a, map_b, [&] { return LinearReductionGroups<Tile, Groups>(starts, m, n); }, AccumulateGroups{gradient, turns, m, n, add});
}
