// Prompts: attention of many rows over a ragged cache with mma.sync, bfloat16, heads of 16, 32, ... 128 columns. The arguments of
// cached_attention and the same result, for rows that mostly come as runs of one sequence. Families: prelude attention sm80
// attention_tiles cached_attention_tiles.
//
// A block owns 64 neighbouring rows of one query head. It walks the entries of each sequence among them in turn; in a walk, rows of
// other sequences see nothing, and warps without a row of it sit out. Two tiles of keys are under way. Launch:
// ceil(rows.most / 64) Heads blocks of 128 threads, 640 (Width + 8) bytes of shared memory.

template <class Tile>
struct CachedTiles {
    alignas(128) unsigned char q[Tile::Bytes];
    alignas(128) unsigned char k[2][Tile::Bytes];
    alignas(128) unsigned char v[2][Tile::Bytes];
};

// As softmax_step, for rows that may have seen nothing yet.
__device__ __forceinline__ void cached_softmax_step(float (&s)[32], SoftmaxRows& rows, float scale) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float top = rows.max[r];
#pragma unroll
        for (int j = 2 * r; j < 32; j += 4) top = fmaxf(top, fmaxf(s[j], s[j + 1]));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
        float zero = top == -MODGEN_INFINITY ? 0.0f : top * scale;
        rows.decay[r] = exp2_fast(fmaf(rows.max[r], scale, -zero));
        rows.max[r] = top;
        rows.sum[r] *= rows.decay[r];
#pragma unroll
        for (int j = 2 * r; j < 32; j += 4) {
            s[j] = exp2_fast(fmaf(s[j], scale, -zero));
            s[j + 1] = exp2_fast(fmaf(s[j + 1], scale, -zero));
            rows.sum[r] += s[j] + s[j + 1];
        }
    }
}

template <int Heads, int KeyValueHeads, int Width, int Context>
__device__ __forceinline__ void cached_attention_tiles(const bf16* qkv, const int* sequences, const int* visible, const bf16* cache, bf16* o, Rows rows) {
    using Shape = AttentionHeads<Width, Heads, KeyValueHeads>;
    using Tile = AttentionTile<Shape>;
    constexpr int Entry = 2 * KeyValueHeads * Width;
    extern __shared__ __align__(1024) unsigned char attention_memory[];
    auto& shared = *reinterpret_cast<CachedTiles<Tile>*>(attention_memory);
    __shared__ int of[Tile::Rows], seen[Tile::Rows], most[Tile::Rows];  // of each row; most: entries to walk, at the first row of a sequence, else 0
    wait_for_previous_kernel();
    let_next_kernel_start();
    int count = rows.count(), first = int(blockIdx.x) / Heads * Tile::Rows, head = int(blockIdx.x) % Heads, thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32;
    if (first >= count) return;
    attention_load_tile<Tile>(shared.q, qkv + Shape::query_column(head), Shape::Columns, first, count);
    if (thread < Tile::Rows) {
        bool inside = first + thread < count;
        of[thread] = inside ? sequences[first + thread] : -1;
        seen[thread] = inside ? visible[first + thread] : 0;
    }
    __syncthreads();
    if (thread < Tile::Rows) {
        int walked = 0;
        bool leads = true;
        for (int r = 0; r < Tile::Rows; r++) {
            if (of[r] != of[thread]) continue;
            leads = leads && r >= thread;
            walked = maximum(walked, seen[r]);
        }
        most[thread] = leads ? walked : 0;
    }
    __syncthreads();

    const float to_exponent = 1.4426950408889634f / sqrtf(float(Width));
    int my_row = warp * 16 + lane / 4;
    float s[32], out[Width / 2];
    u32 weights[16];
    SoftmaxRows state{{-MODGEN_INFINITY, -MODGEN_INFINITY}, {0.0f, 0.0f}, {0.0f, 0.0f}};
#pragma unroll
    for (int i = 0; i < Width / 2; i++) out[i] = 0.0f;
    for (int leader = 0; leader < Tile::Rows; leader++) {
        int keys = most[leader], sequence = of[leader];
        if (keys == 0) continue;
        const bf16* entries = cache + i64(sequence) * Context * Entry + head / Shape::Group * Width;
        auto load = [&](int block, int stage) {
            attention_load_tile<Tile>(shared.k[stage], entries, Entry, block * Tile::Rows, keys);
            attention_load_tile<Tile>(shared.v[stage], entries + KeyValueHeads * Width, Entry, block * Tile::Rows, keys);
            copy_async_commit();
        };
        int limit[2];
#pragma unroll
        for (int r = 0; r < 2; r++) limit[r] = of[my_row + r * 8] == sequence ? seen[my_row + r * 8] : 0;
        int highest = maximum(limit[0], limit[1]), blocks = ceil_div(keys, Tile::Rows);
#pragma unroll
        for (int d = 4; d < 32; d <<= 1) highest = maximum(highest, __shfl_xor_sync(0xffffffffu, highest, d));
        load(0, 0);
        for (int block = 0, stage = 0; block < blocks; block++, stage ^= 1) {
            if (block + 1 < blocks) {
                load(block + 1, stage ^ 1);
                copy_async_wait<1>();
            } else {
                copy_async_wait<0>();
            }
            __syncthreads();
            if (block * Tile::Rows < highest) {
                attention_tile_scores<Tile>(s, shared.q, warp * 16, shared.k[stage]);
                int key = block * Tile::Rows + lane % 4 * 2;
                if (block * Tile::Rows + Tile::Rows > minimum(limit[0], limit[1])) {
#pragma unroll
                    for (int j = 0; j < 32; j++)
                        if (key + j / 4 * 8 + (j & 1) >= limit[j >> 1 & 1]) s[j] = -MODGEN_INFINITY;
                }
                cached_softmax_step(s, state, to_exponent);
#pragma unroll
                for (int j = 0; j < Width / 2; j++) out[j] *= state.decay[j >> 1 & 1];
                attention_pack(s, weights);
                attention_tile_combine<Tile>(out, weights, shared.v[stage]);
            }
            __syncthreads();
        }
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        state.sum[r] += __shfl_xor_sync(0xffffffffu, state.sum[r], 1);
        state.sum[r] += __shfl_xor_sync(0xffffffffu, state.sum[r], 2);
    }
    attention_store_tile<Tile>(out, reciprocal(state.sum[0]), reciprocal(state.sum[1]), shared.q, o + head * Width, Heads * Width, first, count);
}
