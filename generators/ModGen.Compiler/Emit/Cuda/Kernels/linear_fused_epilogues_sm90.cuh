// An epilogue of linear_sm90 that does a neighbour's work while the accumulators are still in registers. (Those that read or write
// more than a product's result are better overlapped.)

// Rotary embedding (rotate-half) of the query and key heads, the first RotatedColumns, then bfloat16.
// The angles are fetched before the product for heads of 64; for wider ones there are not the registers.
template <int Head, int RotatedColumns>
struct RotaryStore : TileStore {
    const TensorMap& y;     // (m, n) bf16
    const int* positions;   // (m)
    const float4* table;    // (positions, Head / 4): cos, sin, cos, sin of two frequencies
    int m;
    struct Angles { float4 a[2][Head / 16]; };
    __device__ RotaryStore(const TensorMap& y_, const int* positions_, const float2* table_, int m_)
        : y(y_), positions(positions_), table(reinterpret_cast<const float4*>(table_)), m(m_) { }

    __device__ __forceinline__ Angles load(const LinearPlace& at) const {
        Angles angles;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int row = minimum(at.row + at.thread / 32 * 16 + at.thread % 32 / 4 + r * 8, m - 1);
            const float4* from = table + i64(positions[row]) * (Head / 4) + at.thread % 4;
#pragma unroll
            for (int j = 0; j < Head / 16; j++) angles.a[r][j] = __ldg(from + 4 * j);
        }
        return angles;
    }

    template <class Tile> __device__ __forceinline__ auto begin(const LinearPlace& at) const {
        if constexpr (Head <= 64) return load(at); else return Nothing{};
    }

    __device__ __forceinline__ const Angles& angles_of(const LinearPlace&, const Angles& ready) const { return ready; }
    __device__ __forceinline__ Angles angles_of(const LinearPlace& at, Nothing) const { return load(at); }

    template <class Tile, class Ready> __device__ __forceinline__ void apply(float (&acc)[Tile::Columns / 2], const LinearPlace& at, const Ready& ready) const {
        static_assert(Tile::Columns % Head == 0 && Head % 16 == 0 && RotatedColumns % Head == 0, "a tile is whole heads");
        if (at.column < RotatedColumns) {
            const Angles& angles = angles_of(at, ready);
#pragma unroll
            for (int i = 0; i < Tile::Columns / 4; i += 2) {  // element i % (Head / 4) of head i / (Head / 4): 4 j + 2 r
                int head = i / (Head / 4), inside = i % (Head / 4);
                if (at.column + head * Head >= RotatedColumns) continue;
                float *x = acc + head * (Head / 2) + inside, *z = x + Head / 4;
                float4 a = angles.a[inside % 4 / 2][inside / 4];
                float x0 = x[0] * a.x - z[0] * a.y, x1 = x[1] * a.z - z[1] * a.w;
                z[0] = z[0] * a.x + x[0] * a.y;
                z[1] = z[1] * a.z + x[1] * a.w;
                x[0] = x0;
                x[1] = x1;
            }
        }
        store_tile<Tile::Columns>(acc, y, at.row, at.column, at.staging, at.warpgroup, at.thread);
    }
};
