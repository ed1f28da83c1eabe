// Sampling: keys and values of a layer in a ragged cache, and attention of a call's rows over it. Any rows, any even head width
// up to 256, both precisions.
//
// A layer's cache is (sequences, Context, 2, KeyValueHeads Width): an entry is a key and then its value, all heads of each. A
// sequence's entries are its first lengths[sequence]; a token that skipped the layer left none. Rows of a call come in the order
// of their positions where they share a sequence, and otherwise in any order; there are at most 1024.
//
// A layer's launches, in order (all leave at once past rows.count()):
//   cache_place       1 block of 1024 threads: visible[i] = the entries that row i attends to, itself the last of them
//   cache_append      rows.most blocks of 256 threads: row i's key and value to entry visible[i] - 1
//   cached_attention  rows.most cached_attention_blocks(Heads, KeyValueHeads) blocks of 256 threads
//   cache_advance     1 block of 1024 threads: lengths[s] += rows of s
// cache_place_advance does the first and the last at once: attention asks for `visible` and not for lengths. `cached_attention_split`
// with `cached_attention_combine` is for few rows over long caches.

// Rows of this call with the sequence of row i: those before it, and all. Every thread of the block calls it with its own i.
struct CacheNeighbours { int before, all; };

__device__ __forceinline__ CacheNeighbours cache_neighbours(const int* sequences, int rows) {
    __shared__ int of[1024];
    int i = int(threadIdx.x);
    if (i < rows) of[i] = sequences[i];
    __syncthreads();
    CacheNeighbours found{0, 0};
    if (i < rows) {
        int mine = of[i];
#pragma unroll 8
        for (int j = 0; j < rows; j++) {
            int same = of[j] == mine;
            found.all += same;
            found.before += j < i ? same : 0;
        }
    }
    return found;
}

template <bool Advance>
__device__ __forceinline__ void cache_place_rows(const int* sequences, int* lengths, int* visible, Rows rows) {
    wait_for_previous_kernel();
    let_next_kernel_start();
    int i = int(threadIdx.x), count = rows.count();
    CacheNeighbours neighbours = cache_neighbours(sequences, count);
    int length = i < count ? lengths[sequences[i]] : 0;
    if (visible != nullptr && i < count) visible[i] = length + neighbours.before + 1;
    __syncthreads();  // all lengths are read
    if (Advance && i < count && neighbours.before == 0) lengths[sequences[i]] = length + neighbours.all;
}

// visible[i] = lengths[sequence of row i] + earlier rows of the same sequence in this call + 1.
__device__ __forceinline__ void cache_place(const int* sequences, const int* lengths, int* visible, Rows rows) {
    cache_place_rows<false>(sequences, const_cast<int*>(lengths), visible, rows);
}

__device__ __forceinline__ void cache_advance(const int* sequences, int* lengths, Rows rows) { cache_place_rows<true>(sequences, lengths, nullptr, rows); }

__device__ __forceinline__ void cache_place_advance(const int* sequences, int* lengths, int* visible, Rows rows) {
    cache_place_rows<true>(sequences, lengths, visible, rows);
}

// Keys and values lie beside each other in a row of qkv (rows, (Heads + 2 KeyValueHeads) Width), as they do in an entry.
template <int Heads, int KeyValueHeads, int Width, int Context>
__device__ __forceinline__ void cache_append(const element* qkv, const int* sequences, const int* visible, element* cache, Rows rows) {
    constexpr int Piece = 16 / int(sizeof(element)), Entry = 2 * KeyValueHeads * Width, Before = Heads * Width;
    wait_for_previous_kernel();
    let_next_kernel_start();
    int row = int(blockIdx.x);
    if (row >= rows.count()) return;
    int slot = visible[row] - 1;
    if (slot < 0 || slot >= Context) return;  // no entry of another sequence is ever written
    const element* from = qkv + i64(row) * (Before + Entry) + Before;
    element* to = cache + (i64(sequences[row]) * Context + slot) * Entry;
    if constexpr (Before % Piece == 0 && Entry % Piece == 0) {
        for (int i = int(threadIdx.x); i < Entry / Piece; i += int(blockDim.x)) reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
    } else {
        for (int i = int(threadIdx.x); i < Entry; i += int(blockDim.x)) to[i] = from[i];
    }
}

// How the lanes of a warp share a head's columns: 16 bytes each where the pieces of a head divide a warp, so that several keys
// are read at a time; else all lanes on one key, 32 columns apart.
template <int Width>
struct CachedHead {
    static constexpr int Piece = 16 / int(sizeof(element)), Pieces = Width / Piece;
    static constexpr bool Whole = Width % Piece == 0 && Pieces >= 1 && Pieces <= 32 && 32 % (Pieces < 1 ? 1 : Pieces) == 0;
    static constexpr int Lanes = Whole ? Pieces : 32, Each = Whole ? Piece : ceil_div(Width, 32);
    static_assert(Width % 2 == 0 && Width <= 256, "a lane holds at most eight columns");
    struct Part { uint4 whole; float columns[Whole ? 1 : Each]; };

    static __device__ __forceinline__ int column(int e) {
        int part = int(threadIdx.x) % Lanes;
        return Whole ? part * Piece + e : part + 32 * e;
    }

    static __device__ __forceinline__ void load(Part& to, const element* from) {
        if constexpr (Whole) {
            to.whole = *reinterpret_cast<const uint4*>(from + column(0));
        } else {
#pragma unroll
            for (int e = 0; e < Each; e++) to.columns[e] = column(e) < Width ? to_float(from[column(e)]) : 0.0f;
        }
    }

    static __device__ __forceinline__ void expand(const Part& from, float (&to)[Each]) {
        if constexpr (Whole) {
#if MODGEN_FLOAT32
            to[0] = __uint_as_float(from.whole.x); to[1] = __uint_as_float(from.whole.y);
            to[2] = __uint_as_float(from.whole.z); to[3] = __uint_as_float(from.whole.w);
#else
            unpack(from.whole, to);
#endif
        } else {
#pragma unroll
            for (int e = 0; e < Each; e++) to[e] = from.columns[e];
        }
    }
};

// Softmax over some of a query's keys: the lane's columns of the weighted values, unnormalised.
template <int Each>
struct CachedPartial {
    float top = -MODGEN_INFINITY, sum = 0.0f, out[Each] = {};

    // Scales what is held so far for a new maximum; the factor that others with maximum `theirs` get.
    __device__ __forceinline__ float raise(float theirs) {
        float higher = fmaxf(top, theirs), zero = higher == -MODGEN_INFINITY ? 0.0f : higher, decay = exponential(top - zero);
        top = higher;
        sum *= decay;
#pragma unroll
        for (int e = 0; e < Each; e++) out[e] *= decay;
        return exponential(theirs - zero);
    }
};

// Combines Count partial softmaxes of one column, each given by its maximum, its sum and its value, in their order.
template <int Count, class Top, class Sum, class Out>
__device__ __forceinline__ CachedPartial<1> cached_combine(const Top& top_of, const Sum& sum_of, const Out& out_of) {
    CachedPartial<1> all;
    float factors[Count];
#pragma unroll
    for (int i = 0; i < Count; i++) all.top = fmaxf(all.top, factors[i] = top_of(i));
    float zero = all.top == -MODGEN_INFINITY ? 0.0f : all.top;
#pragma unroll
    for (int i = 0; i < Count; i++) {
        factors[i] = exponential(factors[i] - zero);
        all.sum = fmaf(sum_of(i), factors[i], all.sum);
        all.out[0] = fmaf(out_of(i), factors[i], all.out[0]);
    }
    return all;
}

// Query heads that a block takes at a time, and blocks of a row.
__host__ __device__ constexpr int cached_attention_heads(int group) { return group < 4 ? group : 4; }
__host__ __device__ constexpr int cached_attention_blocks(int heads, int key_value_heads) {
    return key_value_heads * ceil_div(heads / key_value_heads, cached_attention_heads(heads / key_value_heads));
}

// The first query head of a part: parts of a row are key heads times as many chunks of their query heads as there are.
template <int Heads, int KeyValueHeads>
__device__ __forceinline__ int cached_first_head(int part) {
    constexpr int Group = Heads / KeyValueHeads, Some = cached_attention_heads(Group), Chunks = ceil_div(Group, Some);
    return part / Chunks * Group + part % Chunks * Some;
}

// The keys [first, last) of one row for the query heads of a part, by the Warps warps of a block; then finish(h, column, top, sum,
// out) once for each column of each of those heads. Keys before `ready` may be read before wait(), the query may not. Groups of
// lanes, warps: all in a fixed order.
template <int Heads, int KeyValueHeads, int Width, bool Early, int Warps = 8, int Ahead = 4, class Wait, class Finish>
__device__ __forceinline__ void cached_attention_keys(const element* query, const element* entries, int part, int first, int last, int ready, const Wait& wait,
                                                      const Finish& finish) {
    using Head = CachedHead<Width>;
    constexpr int Group = Heads / KeyValueHeads, Some = cached_attention_heads(Group), Chunks = ceil_div(Group, Some);
    constexpr int Groups = 32 / Head::Lanes, Each = Head::Each, Entry = 2 * KeyValueHeads * Width;
    static_assert(Heads % KeyValueHeads == 0, "every key head serves as many query heads");
    __shared__ float tops[Warps][Some], sums[Warps][Some], outs[Warps][Some][Width];
    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, head = cached_first_head<Heads, KeyValueHeads>(part);
    const element *keys = entries + part / Chunks * Width, *values = keys + KeyValueHeads * Width;
    const float scale = 1.0f / sqrtf(float(Width));
    typename Head::Part k[Ahead] = {}, v[Ahead] = {};
    // The keys, or the values, of a step from `base`, as far as they lie in [from, to); others keep what they had, which is finite.
    auto fetch = [&](typename Head::Part (&into)[Ahead], const element* matrix, int base, int from, int to) {
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            int at = base + (i * Warps + warp) * Groups + lane / Head::Lanes;
            if (at >= from && at < to) Head::load(into[i], matrix + i64(at) * Entry);
        }
    };
    auto fetch_both = [&](int from, int to) {
        fetch(k, keys, first, from, to);
        fetch(v, values, first, from, to);
    };
    if constexpr (Early) fetch_both(0, minimum(ready, last));
    wait();
    fetch_both(Early ? ready : 0, last);
    float q[Some][Each];
    CachedPartial<Each> partial[Some];
#pragma unroll
    for (int h = 0; h < Some; h++) {
        typename Head::Part loaded;
        Head::load(loaded, query + minimum(head + h, Heads - 1) * Width);
        Head::expand(loaded, q[h]);
    }
    for (int base = first, next; base < last; base = next) {
        next = base + Ahead * Warps * Groups;
        float s[Some][Ahead];
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            float x[Each];
            Head::expand(k[i], x);
#pragma unroll
            for (int h = 0; h < Some; h++) {
                float sum = 0.0f;
#pragma unroll
                for (int e = 0; e < Each; e++) sum = fmaf(q[h][e], x[e], sum);
#pragma unroll
                for (int d = Head::Lanes / 2; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
                s[h][i] = base + (i * Warps + warp) * Groups + lane / Head::Lanes < last ? sum * scale : -MODGEN_INFINITY;
            }
        }
        fetch(k, keys, next, 0, last);  // while this step's values are still to be added
#pragma unroll
        for (int h = 0; h < Some; h++) {
            float top = s[h][0];
#pragma unroll
            for (int i = 1; i < Ahead; i++) top = fmaxf(top, s[h][i]);
            partial[h].raise(top);
            float zero = partial[h].top == -MODGEN_INFINITY ? 0.0f : partial[h].top;
#pragma unroll
            for (int i = 0; i < Ahead; i++) {
                s[h][i] = exponential(s[h][i] - zero);
                partial[h].sum += s[h][i];
            }
        }
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            float x[Each];
            Head::expand(v[i], x);
#pragma unroll
            for (int h = 0; h < Some; h++)
#pragma unroll
                for (int e = 0; e < Each; e++) partial[h].out[e] = fmaf(s[h][i], x[e], partial[h].out[e]);
        }
        fetch(v, values, next, 0, last);
    }
#pragma unroll
    for (int h = 0; h < Some; h++) {
#pragma unroll
        for (int d = Head::Lanes; d < 32; d <<= 1) {
            float top = __shfl_xor_sync(0xffffffffu, partial[h].top, d), sum = __shfl_xor_sync(0xffffffffu, partial[h].sum, d), out[Each];
#pragma unroll
            for (int e = 0; e < Each; e++) out[e] = __shfl_xor_sync(0xffffffffu, partial[h].out[e], d);
            float factor = partial[h].raise(top);
            partial[h].sum = fmaf(sum, factor, partial[h].sum);
#pragma unroll
            for (int e = 0; e < Each; e++) partial[h].out[e] = fmaf(out[e], factor, partial[h].out[e]);
        }
        if (lane == 0) { tops[warp][h] = partial[h].top; sums[warp][h] = partial[h].sum; }
#pragma unroll
        for (int e = 0; e < Each; e++)
            if (lane < Head::Lanes && Head::column(e) < Width) outs[warp][h][Head::column(e)] = partial[h].out[e];
    }
    __syncthreads();
    for (int i = int(threadIdx.x); i < Some * Width; i += 32 * Warps) {
        int h = i / Width, c = i % Width;
        auto all = cached_combine<Warps>([&](int w) { return tops[w][h]; }, [&](int w) { return sums[w][h]; }, [&](int w) { return outs[w][h][c]; });
        if (part % Chunks * Some + h < Group) finish(h, c, all.top, all.sum, all.out[0]);
    }
}

// o (rows, Heads Width) = softmax of each row's queries against the entries it sees.
template <int Heads, int KeyValueHeads, int Width, int Context>
__device__ __forceinline__ void cached_attention(const element* qkv, const int* sequences, const int* visible, const element* cache, element* o, Rows rows) {
    constexpr int Parts = cached_attention_blocks(Heads, KeyValueHeads);
    wait_for_previous_kernel();
    let_next_kernel_start();
    int row = int(blockIdx.x) / Parts, part = int(blockIdx.x) % Parts, head = cached_first_head<Heads, KeyValueHeads>(part);
    if (row >= rows.count()) return;
    cached_attention_keys<Heads, KeyValueHeads, Width, false>(
        qkv + i64(row) * (Heads + 2 * KeyValueHeads) * Width, cache + i64(sequences[row]) * Context * 2 * KeyValueHeads * Width, part, 0, visible[row], 0, []() {},
        [&](int h, int column, float, float sum, float out) { o[(i64(row) * Heads + head + h) * Width + column] = from_float<element>(out / sum); });
}
