// The grouped products of linear_grouped_sm90 on the tensor cores of every GPU from Ampere on: the same operands, `starts` and order of
// rows, by pointers and pitches as linear_sm80 has them. Groups of rows are whole tiles of 128, in the weight gradient 64.
// Launch as linear_sm80, any number of blocks. Families: prelude sm80 linear_stores linear_sm80 linear_groups linear_grouped_sm80.

// Units of products whose m counts rows of the batch: the tiles of linear_sm80, each with the matrix of its rows' group.
template <class Tile, int Groups>
struct LinearRowGroups80 : LinearUnits80<Tile> {
    const int* starts;
    int height;  // rows of a group's matrix

    __device__ __forceinline__ LinearRowGroups80(const int* starts_, int n, int k, int height_)
        : LinearUnits80<Tile>(starts_[Groups], n, k, 1), starts(starts_), height(height_) { }

    __device__ __forceinline__ LinearUnit80 operator[](int i) const {
        LinearUnit80 u = LinearUnits80<Tile>::operator[](i);
        u.group = group_of_row<Groups>(starts, u.row);
        u.before = u.group * height;
        return u;
    }
};

// Units of products whose k counts rows of the batch: one group's tiles after the other's, over the group's rows.
template <class Tile, int Groups>
struct LinearReductionGroups80 : LinearUnits80<Tile> {
    const int* starts;

    __device__ __forceinline__ LinearReductionGroups80(const int* starts_, int m_, int n) : LinearUnits80<Tile>(m_, n, starts_[Groups], 1), starts(starts_) {
        this->count = this->in_turn(this->tiles() * Groups);
    }

    __device__ __forceinline__ LinearUnit80 operator[](int i) const {
        int unit = int(blockIdx.x) + i * int(gridDim.x), group = unit / this->tiles();
        LinearUnit80 u = this->whole(unit - group * this->tiles());
        u.group = group;
        group_steps<Tile::Depth>(starts, group, u.step, u.last);
        return u;
    }
};

// What becomes of the results: see linear_stores. `height` is the number of rows of a group's matrix: the layer's outputs in either product.
template <class Tile, int Groups, class Store>
__device__ __forceinline__ void linear_grouped_sm80(const bf16* a, int pitch_a, const bf16* b, int pitch_b, const int* starts, int n, int k, int height, const Store& store) {
    static_assert(!Tile::MnMajorA, "rows of the batch are rows of C");
    linear_units_sm80<Tile>(a, pitch_a, b, pitch_b, n, [&] { return LinearRowGroups80<Tile, Groups>(starts, n, k, height); }, store, nullptr);
}

// gradient (Groups, m, n).
template <class Tile, int Groups>
__device__ __forceinline__ void linear_grouped_wgrad_sm80(const bf16* a, const bf16* b, const int* starts, float* gradient, int m, int n, bool add) {
    static_assert(Tile::MnMajorA && Tile::MnMajorB, "rows of the batch are steps of the reduction");
    linear_units_sm80<Tile>(a, m, b, n, n, [&] { return LinearReductionGroups80<Tile, Groups>(starts, m, n); }, Accumulate{gradient, n, add}, nullptr);
}
