// What CUDA C++ gives a kernel, in plain C++; prelude.cuh is the kernels' own, over the instructions of instructions.h.
#pragma once
#include "scheduler.h"

#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define MODGEN_INFINITY INFINITY
#define threadIdx (emulator::current->index)
#define blockIdx (emulator::block_index)
#define gridDim (emulator::grid_size)
#define blockDim (emulator::block_size)

struct uint2 { u32 x, y; };
struct uint4 { u32 x, y, z, w; };
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
inline uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

template <class To, class From> To bits_as(From x) {
    static_assert(sizeof(To) == sizeof(From));
    To y;
    std::memcpy(&y, &x, sizeof y);
    return y;
}

inline float __uint_as_float(u32 x) { return bits_as<float>(x); }
inline u32 __float_as_uint(float x) { return bits_as<u32>(x); }
inline float __int_as_float(int x) { return bits_as<float>(x); }
inline int __float_as_int(float x) { return bits_as<int>(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline int __popc(u32 x) { return __builtin_popcount(x); }

template <class T> T __shfl_xor_sync(u32, T x, int mask) { return bits_as<T>(emulator::exchange(bits_as<u32>(x), emulator::lane() ^ mask)); }
template <class T> T __shfl_sync(u32, T x, int from) { return bits_as<T>(emulator::exchange(bits_as<u32>(x), from)); }
template <class T> T __shfl_up_sync(u32, T x, int by) { return bits_as<T>(emulator::exchange(bits_as<u32>(x), emulator::lane() < by ? emulator::lane() : emulator::lane() - by)); }
inline void __syncthreads() { emulator::meet(emulator::whole, int(emulator::fibers.size())); }
inline void __syncwarp() { emulator::meet(emulator::warps[emulator::warp()], 32); }
inline void __threadfence() { }

inline u32 __reduce_add_sync(u32, u32 x) {
    for (int lane = 16; lane > 0; lane >>= 1) x += __shfl_xor_sync(0xffffffffu, x, lane);
    return x;
}

inline u32 __match_any_sync(u32, int x) {
    u32 same = 0;
    for (int lane = 0; lane < 32; lane++) same |= u32(__shfl_sync(0xffffffffu, x, lane) == x) << lane;
    return same;
}

inline u32 __ballot_sync(u32, int x) { return __reduce_add_sync(0xffffffffu, u32(x != 0) << emulator::lane()); }
inline u32 atomicAdd(u32* to, u32 x) { u32 old = *to; *to += x; return old; }
template <class T> T __ldg(const T* from) { return *from; }
template <class T> T __ldcg(const T* from) { return *from; }
template <class T> T __ldcs(const T* from) { return *from; }
template <class T> void __stcs(T* to, T x) { *to = x; }
template <class T> void __stcg(T* to, T x) { *to = x; }

#define MODGEN_EMULATOR
#include "prelude.cuh"
#include "vectors.cuh"
