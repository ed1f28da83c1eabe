// Causal attention with mma.sync (sm_80 and up): tiles of 64 rows in shared memory and the two products over them. A block is
// four warps of 16 rows each; rows of shared tiles are padded by 16 bytes, which spreads ldmatrix over all banks.

template <class Shape_>
struct AttentionTile {
    using Shape = Shape_;
    static constexpr int Threads = 128, Rows = 64, RowBytes = Shape::Width * 2 + 16, Bytes = Rows * RowBytes;
    static constexpr int Stages = Shape::Width == 128 ? 1 : 2;  // of the walked operands in the backward kernels, to fit 99 KB
};

// 64 rows of one head, zeros past the end; `columns` from row to row of the matrix.
template <class Tile>
__device__ __forceinline__ void attention_load_tile(unsigned char* to, const bf16* from, int columns, int row, int length) {
    constexpr int Pieces = Tile::Shape::Width / 8;
    u32 base = shared_address(to);
#pragma unroll 2
    for (int i = int(threadIdx.x); i < Tile::Rows * Pieces; i += Tile::Threads) {
        int r = i / Pieces, piece = i - r * Pieces;
        bool inside = row + r < length;
        copy_async(base + r * Tile::RowBytes + piece * 16, from + i64(inside ? row + r : 0) * columns + piece * 8, inside);
    }
}

// s (16 x 64) = A . B^T over the Width of a head: rows `row`.. of tile `a`, all rows of tile `b`.
template <class Tile>
__device__ __forceinline__ void attention_tile_scores(float (&s)[32], const unsigned char* a, int row, const unsigned char* b) {
    int lane = int(threadIdx.x) % 32;
    u32 at_a = shared_address(a) + (row + lane % 16) * Tile::RowBytes + lane / 16 * 16;
    u32 at_b = shared_address(b) + (lane / 16 * 8 + lane % 8) * Tile::RowBytes + lane / 8 % 2 * 16;
#pragma unroll
    for (int i = 0; i < 32; i++) s[i] = 0.0f;
#pragma unroll
    for (int k = 0; k < Tile::Shape::Width / 16; k++) {
        u32 fa[4], fb[4];
        load_matrices(at_a + k * 32, fa);
#pragma unroll
        for (int n = 0; n < 4; n++) {
            load_matrices(at_b + n * 16 * Tile::RowBytes + k * 32, fb);
            multiply_16x8x16(s + 8 * n, fa, fb[0], fb[1]);
            multiply_16x8x16(s + 8 * n + 4, fa, fb[2], fb[3]);
        }
    }
}

// c (16 x Width) += P (16 x 64 in registers) . B, B a tile of 64 rows.
template <class Tile>
__device__ __forceinline__ void attention_tile_combine(float (&c)[Tile::Shape::Width / 2], const u32 (&p)[16], const unsigned char* b) {
    int lane = int(threadIdx.x) % 32;
    u32 at = shared_address(b) + (lane / 8 % 2 * 8 + lane % 8) * Tile::RowBytes + lane / 16 * 16;
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
        for (int n = 0; n < Tile::Shape::Width / 16; n++) {
            u32 fb[4];
            load_matrices_transposed(at + k * 16 * Tile::RowBytes + n * 32, fb);
            multiply_16x8x16(c + 8 * n, p + 4 * k, fb[0], fb[1]);
            multiply_16x8x16(c + 8 * n + 4, p + 4 * k, fb[2], fb[3]);
        }
}

// A warp's 16 rows as bfloat16, through its own rows of a shared tile that nobody reads any more.
template <class Tile>
__device__ __forceinline__ void attention_store_tile(const float (&c)[Tile::Shape::Width / 2], float low_scale, float high_scale, unsigned char* scratch,
                                                     bf16* to, int columns, int row, int length) {
    constexpr int Pieces = Tile::Shape::Width / 8;
    int lane = int(threadIdx.x) % 32, first = int(threadIdx.x) / 32 * 16;
    unsigned char* mine = scratch + (first + lane / 4) * Tile::RowBytes + lane % 4 * 4;
    __syncwarp();
#pragma unroll
    for (int j = 0; j < Pieces; j++) {
        *reinterpret_cast<u32*>(mine + j * 16) = pack(c[4 * j] * low_scale, c[4 * j + 1] * low_scale);
        *reinterpret_cast<u32*>(mine + 8 * Tile::RowBytes + j * 16) = pack(c[4 * j + 2] * high_scale, c[4 * j + 3] * high_scale);
    }
    __syncwarp();
#pragma unroll
    for (int i = lane; i < 16 * Pieces; i += 32) {
        int r = first + i / Pieces, piece = i % Pieces;
        if (row + r < length)
            *reinterpret_cast<uint4*>(to + i64(row + r) * columns + piece * 8) = *reinterpret_cast<const uint4*>(scratch + r * Tile::RowBytes + piece * 16);
    }
    __syncwarp();
}
