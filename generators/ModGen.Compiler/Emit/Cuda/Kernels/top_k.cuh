// Exact top-k of a sequence's router scores in one launch: the Selected largest, ties to the earlier position, NaN below
// everything, written in order of position. Floats become order-preserving integers in shared memory; four histogram passes over
// eight bits each find the k-th key and how many of its equals to keep; one scan writes.
// Launch: one block of 1024 threads a sequence, Length * 4 bytes of dynamic shared memory.

// A key that orders as the float does; -0 equals +0, and NaN is the least.
__device__ __forceinline__ u32 ordered_key(float x) {
    u32 bits = __float_as_uint(x + 0.0f);
    if (x != x) return 0;
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// scores (B, Length) to selected (B, Selected): positions within the sequence, ascending.
template <int Length, int Selected>
__device__ __forceinline__ void top_k(const float* scores, int* selected) {
    static_assert(Selected >= 1 && Selected <= Length, "k is between 1 and the length of the sequence");
    static_assert(Length <= 57000, "keys fit in shared memory and counts in 16 bits");
    constexpr int Threads = 1024, Rounds = ceil_div(Length, Threads);  // the scan below is over 32 warps
    extern __shared__ u32 top_k_keys[];  // Length keys
    __shared__ u32 histogram[2][256];
    __shared__ u32 found[2];             // prefix of the k-th key so far; how many of the k still to find below it
    __shared__ u32 totals[32];
    int thread = int(threadIdx.x), lane = thread % 32, warp = thread / 32;
    i64 first = i64(blockIdx.x) * Length;

    if (thread < 256) histogram[0][thread] = 0;
    if (thread == 0) { found[0] = 0; found[1] = Selected; }
    wait_for_previous_kernel();
    let_next_kernel_start();
    for (int i = thread; i < Length; i += Threads) top_k_keys[i] = ordered_key(scores[first + i]);
    __syncthreads();

#pragma unroll 1
    for (int pass = 0; pass < 4; pass++) {
        int shift = 24 - 8 * pass;
        u32 prefix = found[0];
        u32* counts = histogram[pass & 1];
        for (int i = thread; i < Length; i += Threads) {
            u32 key = top_k_keys[i];
            if (pass == 0 || (key >> (shift + 8)) == prefix) atomicAdd(&counts[(key >> shift) & 255u], 1u);
        }
        if (thread < 256) histogram[(pass + 1) & 1][thread] = 0;
        __syncthreads();
        if (warp == 0) {  // lane l owns bins 255 - 8l ... 248 - 8l; find the bin that the k-th largest falls in
            u32 mine[8], sum = 0;
#pragma unroll
            for (int j = 0; j < 8; j++) { mine[j] = counts[255 - 8 * lane - j]; sum += mine[j]; }
            u32 before = warp_upto(sum) - sum;
            u32 wanted = found[1];
            __syncwarp();
            if (before < wanted && wanted <= before + sum) {
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    if (before < wanted && wanted <= before + mine[j]) {
                        found[0] = (prefix << 8) | u32(255 - 8 * lane - j);
                        found[1] = wanted - before;
                        wanted = 0;
                    }
                    before += mine[j];
                }
            }
        }
        __syncthreads();
    }

    u32 threshold = found[0], keep = found[1], seen = 0;  // seen: greater keys in the low half, equal ones in the high half
#pragma unroll 1
    for (int round = 0; round < Rounds; round++) {
        int i = round * Threads + thread;
        u32 key = i < Length ? top_k_keys[i] : 0u;
        bool greater = i < Length && key > threshold, equal = i < Length && key == threshold;
        u32 greater_mask = __ballot_sync(0xffffffffu, greater), equal_mask = __ballot_sync(0xffffffffu, equal);
        u32 below = (1u << lane) - 1u;
        if (lane == 0) totals[warp] = u32(__popc(greater_mask)) | (u32(__popc(equal_mask)) << 16);
        __syncthreads();
        u32 total = totals[lane], upto = warp_upto(total);
        u32 mine = seen + __shfl_sync(0xffffffffu, upto - total, warp) + (u32(__popc(greater_mask & below)) | (u32(__popc(equal_mask & below)) << 16));
        seen += __shfl_sync(0xffffffffu, upto, 31);
        u32 equals = mine >> 16, slot = (mine & 0xffffu) + minimum(equals, keep);
        bool chosen = greater || (equal && equals < keep);
        if (chosen) selected[i64(blockIdx.x) * Selected + slot] = i;
        __syncthreads();
    }
}
