// Hopper's own instructions as small functions: mbarriers, the bulk tensor copy engine (TMA), clusters, wgmma.
// Shapes and layouts are those of the PTX manual; shared tiles have 128-byte rows under the 128-byte swizzle.

// A CUtensorMap as the driver encodes it; passed by value as a `const __grid_constant__` parameter.
struct alignas(64) TensorMap { u64 opaque[16]; };

__device__ __forceinline__ void prefetch(const TensorMap& map) {
    asm volatile("prefetch.tensormap [%0];" :: "l"(&map) : "memory");
}

// ---- mbarriers -------------------------------------------------------------------------------------------------

__device__ __forceinline__ void barrier_init(u64* barrier, u32 arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

// Makes the initialised barriers visible to the copy engine and to the cluster.
__device__ __forceinline__ void barrier_init_fence() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void barrier_expect(u64* barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(shared_address(barrier)), "r"(bytes) : "memory");
}

__device__ __forceinline__ void barrier_arrive(u64* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(shared_address(barrier)) : "memory");
}

// Arrives at the barrier of the same offset in block `rank` of the cluster. Without `.release.cluster`: that form waits for
// the thread's writes to reach the whole device, which costs a matrix product a third of its speed and orders nothing
// that the copy engine reads.
__device__ __forceinline__ void barrier_arrive_remote(u64* barrier, u32 rank) {
    asm volatile("{ .reg .b32 remote; mapa.shared::cluster.u32 remote, %0, %1;"
                 " mbarrier.arrive.shared::cluster.b64 _, [remote]; }"
                 :: "r"(shared_address(barrier)), "r"(rank) : "memory");
}

__device__ __forceinline__ bool barrier_try_wait(u64* barrier, u32 phase) {
    u32 done;
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                 : "=r"(done) : "r"(shared_address(barrier)), "r"(phase) : "memory");
    return done != 0;
}

__device__ __forceinline__ void barrier_wait(u64* barrier, u32 phase) {
#ifdef MODGEN_BOUNDED_WAITS  // a check build: a wait that never ends gives up, and the result is wrong instead of late
    for (u32 spin = 0; spin < 4000000u && !barrier_try_wait(barrier, phase); spin++) { }
#else
    while (!barrier_try_wait(barrier, phase)) { }
#endif
}

// Arrivals for what a warp, or a warpgroup, has read or written in shared memory: one a warp, behind __syncwarp; one a warpgroup behind a product of
// it, which no warp sees finished before all have issued it. A check build lets every lane arrive: racecheck sees no __syncwarp, which mostly
// becomes no instruction, and not what a product waits for.
#ifdef MODGEN_LANES_ARRIVE
constexpr int WarpArrivals = 32, WarpgroupArrivals = 128;
#else
constexpr int WarpArrivals = 1, WarpgroupArrivals = 1;
#endif
__device__ __forceinline__ void warp_arrive(u64* barrier) {
    __syncwarp();
    if (WarpArrivals > 1 || threadIdx.x % 32 == 0) barrier_arrive(barrier);
}
__device__ __forceinline__ void warpgroup_arrive(u64* barrier) {
    if (WarpgroupArrivals > 1 || threadIdx.x % 128 == 0) barrier_arrive(barrier);
}

// A stage of a ring of Stages and the parity of its current round.
template <int Stages>
struct RingPosition {
    int stage = 0;
    u32 phase = 0;
    __device__ __forceinline__ void advance() { if (++stage == Stages) { stage = 0; phase ^= 1; } }
};

// A barrier among `threads` threads of the block; ids 1..15 (0 is __syncthreads).
__device__ __forceinline__ void named_barrier(int id, int threads) {
    asm volatile("bar.sync %0, %1;" :: "r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
    asm volatile("bar.arrive %0, %1;" :: "r"(id), "r"(threads) : "memory");
}

// ---- clusters and roles ------------------------------------------------------------------------------------------

__device__ __forceinline__ u32 cluster_rank() { u32 r; asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r)); return r; }

__device__ __forceinline__ void cluster_sync() {
    asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// True in one lane of a converged warp.
__device__ __forceinline__ bool elect_one() {
    u32 chosen;
    asm volatile("{ .reg .pred p; elect.sync _|p, 0xffffffff; selp.u32 %0, 1, 0, p; }" : "=r"(chosen));
    return chosen != 0;
}

// The warpgroup this thread is in, known to the compiler to be the same across the warp.
__device__ __forceinline__ int warpgroup_index() { return __shfl_sync(0xffffffffu, int(threadIdx.x) / 128, 0); }

template <int Registers> __device__ __forceinline__ void registers_grow() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(Registers)); }
template <int Registers> __device__ __forceinline__ void registers_shrink() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(Registers)); }

// ---- bulk tensor copies ------------------------------------------------------------------------------------------

// One box of a 2-d map to shared memory; x counts elements along the row, y rows. Out of bounds reads as zero.
__device__ __forceinline__ void copy_box(void* to, const TensorMap& map, u64* barrier, int x, int y) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
                 :: "r"(shared_address(to)), "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y) : "memory");
}

// The same box to the same offset in every block of `mask`, signalling the barrier of the same offset in each.
__device__ __forceinline__ void copy_box_multicast(void* to, const TensorMap& map, u64* barrier, int x, int y, u16 mask) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
                 " [%0], [%1, {%3, %4}], [%2], %5;"
                 :: "r"(shared_address(to)), "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y), "h"(mask) : "memory");
}

// One box of a 3-d map (attention: element of the head, head, token).
__device__ __forceinline__ void copy_box(void* to, const TensorMap& map, u64* barrier, int x, int y, int z) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];"
                 :: "r"(shared_address(to)), "l"(&map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z) : "memory");
}

// Shared memory to a box of a map; what lies out of bounds is not written.
__device__ __forceinline__ void store_box(const TensorMap& map, const void* from, int x, int y) {
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];"
                 :: "l"(&map), "r"(shared_address(from)), "r"(x), "r"(y) : "memory");
}

__device__ __forceinline__ void store_box(const TensorMap& map, const void* from, int x, int y, int z) {
    asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4}], [%1];"
                 :: "l"(&map), "r"(shared_address(from)), "r"(x), "r"(y), "r"(z) : "memory");
}

__device__ __forceinline__ void store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Until at most Pending of this thread's stores still read shared memory.
template <int Pending> __device__ __forceinline__ void store_wait_read() { asm volatile("cp.async.bulk.wait_group.read %0;" :: "n"(Pending) : "memory"); }
template <int Pending> __device__ __forceinline__ void store_wait() { asm volatile("cp.async.bulk.wait_group %0;" :: "n"(Pending) : "memory"); }

// Ordinary shared stores before this are seen by wgmma and the copy engine after it.
__device__ __forceinline__ void async_proxy_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Four 8x8 bfloat16 matrices from registers to shared memory; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void store_matrices(u32 address, u32 a, u32 b, u32 c, u32 d) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" :: "r"(address), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

__device__ __forceinline__ void store_matrices_transposed(u32 address, u32 a, u32 b, u32 c, u32 d) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" :: "r"(address), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

// Byte offset of the 16-byte chunk `chunk` (0..7) of row `row` in a tile of 128-byte rows under the 128-byte swizzle.
__device__ __forceinline__ u32 swizzled(int row, int chunk) { return u32(row * 128 + ((chunk ^ (row & 7)) << 4)); }

// Adds four consecutive floats in device memory without reading them here. Order is the caller's affair.
__device__ __forceinline__ void add_to_global(float4* to, float4 v) {
    asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};" :: "l"(to), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w) : "memory");
}
