// Decoding: attention of one query a head over the keys of a ragged cache, split over a cluster of Splits blocks that merge
// through distributed shared memory. A group of Head / 8 lanes takes a key at a time, 16 bytes a lane, and keeps its own
// running maximum, sum and output; groups, warps and blocks then merge in a fixed order.

struct DecodeAttention {
    const bf16* q;       // (Batch, Heads, Head) bf16
    const bf16* keys;    // (Batch, KeyValueHeads, capacity, Head) bf16
    const bf16* values;  // as keys
    bf16* out;           // (Batch, Heads, Head) bf16
    const int* lengths;  // (Batch) keys before this step's, which is at index `length`
    const int* active;   // or null
    int capacity;
};

// A partial softmax of one query head over some keys: eight elements of the output a lane.
struct DecodePartial {
    float highest, sum, out[8];
    __device__ __forceinline__ void merge(float other_highest, float other_sum, const float (&other)[8]) {
        float top = fmaxf(highest, other_highest), shift = top == -MODGEN_INFINITY ? 0.0f : top;
        float mine = exp2_fast(highest - shift), theirs = exp2_fast(other_highest - shift);
        highest = top;
        sum = sum * mine + other_sum * theirs;
#pragma unroll
        for (int e = 0; e < 8; e++) out[e] = out[e] * mine + other[e] * theirs;
    }
};

__device__ __forceinline__ float load_cluster(const float* local, u32 rank) {
    float v;
    asm volatile("{ .reg .b32 remote; mapa.shared::cluster.u32 remote, %1, %2; ld.shared::cluster.f32 %0, [remote]; }"
                 : "=f"(v) : "r"(shared_address(local)), "r"(rank) : "memory");
    return v;
}

// Merges Count partials, each given by its maximum, its sum and one element of its output.
template <int Count, class Top, class Sum, class Out>
__device__ __forceinline__ float decode_merge(Top top_of, Sum sum_of, Out out_of, float& top, float& sum) {
    top = -MODGEN_INFINITY;
#pragma unroll
    for (int i = 0; i < Count; i++) top = fmaxf(top, top_of(i));
    float shift = top == -MODGEN_INFINITY ? 0.0f : top, out = 0.0f;
    sum = 0.0f;
#pragma unroll
    for (int i = 0; i < Count; i++) {
        float factor = exp2_fast(top_of(i) - shift);
        sum += factor * sum_of(i);
        out += factor * out_of(i);
    }
    return out;
}

// Grid: Splits * KeyValueHeads * Batch blocks of 128 threads in clusters of Splits.
template <int Heads, int KeyValueHeads, int Head, int Splits>
__device__ __forceinline__ void decode_attention(const DecodeAttention& p) {
    constexpr int Group = Heads / KeyValueHeads, Lanes = Head / 8, Warps = 4, Keys = 32 / Lanes * Warps, Ahead = Group <= 2 ? 8 : 4;
    static_assert(Heads % KeyValueHeads == 0 && 32 % Lanes == 0, "whole groups of heads, whole lanes a key");
    __shared__ float highest[Group][Warps], sums[Group][Warps], outs[Group][Warps][Head];
    __shared__ float block_highest[Group], block_sum[Group], block_out[Group][Head];
    if (p.active != nullptr && *p.active == 0) { wait_for_previous_kernel(); return; }
    int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, part = lane % Lanes;
    int rank = int(cluster_rank()), head = int(blockIdx.x) / Splits % KeyValueHeads, b = int(blockIdx.x) / (Splits * KeyValueHeads);
    int newest = p.lengths[b], length = newest + 1, first = length * rank / Splits, last = length * (rank + 1) / Splits;
    i64 base = i64(b * KeyValueHeads + head) * p.capacity * Lanes + part;
    const uint4 *keys = reinterpret_cast<const uint4*>(p.keys) + base, *values = reinterpret_cast<const uint4*>(p.values) + base;
    int key = first + warp * (32 / Lanes) + lane / Lanes;
    uint4 k[Ahead], v[Ahead];
    // The keys from `begin` on, as far as they are there before `end`.
    auto fetch = [&](int begin, int end) {
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            int at = begin + i * Keys;
            k[i] = at < end ? load_in_place(keys + i64(at) * Lanes) : make_uint4(0u, 0u, 0u, 0u);
            v[i] = at < end ? load_in_place(values + i64(at) * Lanes) : make_uint4(0u, 0u, 0u, 0u);
        }
    };
    fetch(key, minimum(last, newest));  // the kernel before writes the newest key, and no other
    wait_for_previous_kernel();
    let_next_kernel_start();
    const float scale = 1.4426950408889634f * rsqrtf(float(Head));

    float q[Group][8];
    DecodePartial partial[Group];
#pragma unroll
    for (int g = 0; g < Group; g++) {
        unpack(reinterpret_cast<const uint4*>(p.q + ((b * Heads + head * Group + g) * Head))[part], q[g]);
        partial[g].highest = -MODGEN_INFINITY;
        partial[g].sum = 0.0f;
#pragma unroll
        for (int e = 0; e < 8; e++) { q[g][e] *= scale; partial[g].out[e] = 0.0f; }
    }
    for (bool again = false; key - lane / Lanes < last; key += Ahead * Keys, again = true) {
        if (again) fetch(key, last);
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            if (again || key + i * Keys != newest || newest >= last) continue;
            k[i] = load_in_place(keys + i64(newest) * Lanes);
            v[i] = load_in_place(values + i64(newest) * Lanes);
        }
#pragma unroll
        for (int i = 0; i < Ahead; i++) {
            float kf[8], vf[8];
            unpack(k[i], kf);
            unpack(v[i], vf);
#pragma unroll
            for (int g = 0; g < Group; g++) {
                float score = 0.0f;
#pragma unroll
                for (int e = 0; e < 8; e++) score = fmaf(q[g][e], kf[e], score);
#pragma unroll
                for (int d = Lanes / 2; d > 0; d >>= 1) score += __shfl_xor_sync(0xffffffffu, score, d);
                partial[g].merge(key + i * Keys < last ? score : -MODGEN_INFINITY, 1.0f, vf);
            }
        }
    }
#pragma unroll
    for (int g = 0; g < Group; g++) {
#pragma unroll
        for (int d = Lanes; d < 32; d <<= 1) {
            float other[8];
#pragma unroll
            for (int e = 0; e < 8; e++) other[e] = __shfl_xor_sync(0xffffffffu, partial[g].out[e], d);
            float top = __shfl_xor_sync(0xffffffffu, partial[g].highest, d), sum = __shfl_xor_sync(0xffffffffu, partial[g].sum, d);
            partial[g].merge(top, sum, other);
        }
        if (lane == 0) { highest[g][warp] = partial[g].highest; sums[g][warp] = partial[g].sum; }
        if (lane < Lanes)
#pragma unroll
            for (int e = 0; e < 8; e++) outs[g][warp][part * 8 + e] = partial[g].out[e];
    }
    __syncthreads();
    for (int i = thread; i < Group * Head; i += 128) {
        int g = i / Head, e = i % Head;
        float top, sum;
        float out = decode_merge<Warps>([&](int w) { return highest[g][w]; }, [&](int w) { return sums[g][w]; }, [&](int w) { return outs[g][w][e]; }, top, sum);
        block_out[g][e] = out;
        if (e == 0) { block_highest[g] = top; block_sum[g] = sum; }
    }
    cluster_sync();
    if (rank == 0) {
        for (int i = thread; i < Group * Head; i += 128) {
            int g = i / Head, e = i % Head;
            float top, sum;
            float out = decode_merge<Splits>([&](int s) { return load_cluster(&block_highest[g], s); }, [&](int s) { return load_cluster(&block_sum[g], s); },
                              [&](int s) { return load_cluster(&block_out[g][e], s); }, top, sum);
            p.out[(b * Heads + head * Group + g) * Head + e] = to_bf16(out / sum);
        }
    }
    cluster_sync();
}
