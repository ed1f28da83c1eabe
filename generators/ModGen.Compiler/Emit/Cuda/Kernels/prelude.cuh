// What every kernel family needs and NVRTC does not give without headers: sizes, the two precisions, counted rows, bfloat16,
// reductions, and the launch-dependency instructions. First in every kernel's source.

using u16 = unsigned short;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;

// A bfloat16 as it lies in memory. Arithmetic is done in float; see unpack and pack.
struct bf16 { u16 bits; };

// What operands of matrix products and attention are made of: the precision of the device. Everything else in memory is
// float or int.
#if MODGEN_FLOAT32
using element = float;
#else
using element = bf16;
#endif

// A number of rows: known at launch (`counted` is null), or counted on the device, at most `most`, which sizes the grid.
// count() may be called only after wait_for_previous_kernel.
struct Rows {
    const int* counted;
    int most;
    __device__ __forceinline__ int count() const { return counted == nullptr ? most : *counted; }
};

#ifndef MODGEN_INFINITY
#define MODGEN_INFINITY __int_as_float(0x7f800000)
#endif

template <class T> __host__ __device__ __forceinline__ constexpr T minimum(T a, T b) { return a < b ? a : b; }
template <class T> __host__ __device__ __forceinline__ constexpr T maximum(T a, T b) { return a > b ? a : b; }
__host__ __device__ constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }
__device__ __forceinline__ float low_half(u32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_half(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

#ifdef MODGEN_EMULATOR
#include "instructions.h"  // the same functions in plain C++: bench/kernels/emulator
#else
// Two floats to a bfloat16 pair, round to nearest even; `low` goes to the lower address.
__device__ __forceinline__ u32 pack(float low, float high) {
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

__device__ __forceinline__ bf16 to_bf16(float x) {
    u16 bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bf16{bits};
}

// Base-2 exponential and logarithm, reciprocal and reciprocal root of the special-function unit.
__device__ __forceinline__ float exp2_fast(float x) { float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
__device__ __forceinline__ float log2_fast(float x) { float y; asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
__device__ __forceinline__ float reciprocal(float x) { float y; asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }

// Streaming accesses: data that this kernel touches once should not push the rest out of the caches.
__device__ __forceinline__ uint4 load_streaming(const uint4* from) {
    uint4 v;
    asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(from));
    return v;
}

__device__ __forceinline__ float4 load_streaming(const float4* from) {
    float4 v;
    asm volatile("ld.global.L1::no_allocate.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(from));
    return v;
}

// A store without a branch around it and around what leads to it, which would keep neighbours' work from overlapping.
__device__ __forceinline__ void store_where(bool wanted, uint4* to, uint4 v) {
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %0, 0; @p st.global.v4.u32 [%1], {%2, %3, %4, %5}; }"
                 :: "r"(u32(wanted)), "l"(to), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

// A load that stays where it is written. (One through the read-only path is moved behind the wait below, which is the one
// place it must not go.)
__device__ __forceinline__ uint4 load_in_place(const uint4* from) {
    uint4 v;
    asm volatile("ld.relaxed.gpu.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(from) : "memory");
    return v;
}

// Asks for the 128 bytes around an address in the second-level cache, where all writes are seen: it may come before the wait.
__device__ __forceinline__ void prefetch_to_second_level(const void* from) { asm volatile("prefetch.global.L2 [%0];" :: "l"(from)); }

// The same through the first-level cache, of what no kernel of the step writes.
__device__ __forceinline__ float4 load_in_place(const float4* from) {
    float4 v;
    asm volatile("ld.global.nc.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(from) : "memory");
    return v;
}

// Makes the compiler forget what it knows of a value, so that what was computed from it is computed again and not kept in
// registers until then.
__device__ __forceinline__ void forget(uint4& v) { asm volatile("" : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w)); }

// Programmatic dependent launch: `wait_for_previous_kernel` returns once the kernels that this one depends on have
// finished and their writes are visible; both do nothing in a launch without the attribute.
__device__ __forceinline__ void wait_for_previous_kernel() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ void let_next_kernel_start() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// Release and acquire of a counter in device memory, for the few places where blocks wait for one another.
__device__ __forceinline__ u32 load_acquire(const u32* counter) {
    u32 v;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(counter) : "memory");
    return v;
}

__device__ __forceinline__ void store_release(u32* counter, u32 value) {
    asm volatile("st.release.gpu.global.u32 [%0], %1;" :: "l"(counter), "r"(value) : "memory");
}

// Adds to a counter, behind all that this thread has seen written.
__device__ __forceinline__ void add_release(u32* counter, u32 value) {
    asm volatile("red.release.gpu.global.add.u32 [%0], %1;" :: "l"(counter), "r"(value) : "memory");
}

__device__ __forceinline__ u32 shared_address(const void* p) { return u32(__cvta_generic_to_shared(p)); }

// A barrier of `threads` threads of the block, whole warps; barrier 0 is __syncthreads.
__device__ __forceinline__ void team_barrier(int barrier, int threads) {
    asm volatile("bar.sync %0, %1;" :: "r"(barrier), "r"(threads) : "memory");
}
#endif

// For code over both precisions.
__device__ __forceinline__ float to_float(float x) { return x; }
template <class T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) { return to_bf16(x); }

// Eight bfloat16 (16 bytes) to floats and back.
__device__ __forceinline__ void unpack(uint4 from, float (&to)[8]) {
    to[0] = low_half(from.x); to[1] = high_half(from.x);
    to[2] = low_half(from.y); to[3] = high_half(from.y);
    to[4] = low_half(from.z); to[5] = high_half(from.z);
    to[6] = low_half(from.w); to[7] = high_half(from.w);
}

__device__ __forceinline__ uint4 pack(const float (&from)[8]) {
    return make_uint4(pack(from[0], from[1]), pack(from[2], from[3]), pack(from[4], from[5]), pack(from[6], from[7]));
}

// e^x, log x and the logistic function, as accurate as the precision of the device asks.
#if MODGEN_FLOAT32
__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
#else
__device__ __forceinline__ float exponential(float x) { return exp2_fast(1.4426950408889634f * x); }
__device__ __forceinline__ float logarithm(float x) { return 0.6931471805599453f * log2_fast(x); }
__device__ __forceinline__ float sigmoid(float x) { return reciprocal(1.0f + exp2_fast(-1.4426950408889634f * x)); }
#endif

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int lane = 16; lane > 0; lane >>= 1) x += __shfl_xor_sync(0xffffffffu, x, lane);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int lane = 16; lane > 0; lane >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
    return x;
}

__device__ __forceinline__ u32 warp_sum(u32 x) { return __reduce_add_sync(0xffffffffu, x); }

// What the lanes up to this one have of x, this one's own included.
template <class T>
__device__ __forceinline__ T warp_upto(T x) {
    int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) { T other = __shfl_up_sync(0xffffffffu, x, d); if (lane >= d) x += other; }
    return x;
}

// Sum over a block of Threads threads, the same value in each; `scratch` holds Threads / 32 floats. The order of
// additions depends on nothing but Threads.
template <int Threads>
__device__ __forceinline__ float block_sum(float x, float* scratch) {
    static_assert(Threads % 32 == 0 && Threads <= 1024, "a block is whole warps");
    x = warp_sum(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    return warp_sum(threadIdx.x % 32 < Threads / 32 ? scratch[threadIdx.x % 32] : 0.0f);
}

// The largest of a block's values in every thread, under the same conditions.
template <int Threads>
__device__ __forceinline__ float block_max(float x, float* scratch) {
    static_assert(Threads % 32 == 0 && Threads <= 1024, "a block is whole warps");
    x = warp_max(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    return warp_max(threadIdx.x % 32 < Threads / 32 ? scratch[threadIdx.x % 32] : -MODGEN_INFINITY);
}
