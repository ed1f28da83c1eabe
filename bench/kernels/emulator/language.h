// What CUDA C++ and prelude.cuh give a kernel, in plain C++.
#pragma once
#include "scheduler.h"

#define __device__
#define __host__
#define __forceinline__ inline
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
struct bf16 { u16 bits; };
#if MODGEN_FLOAT32
using element = float;
#else
using element = bf16;
#endif
struct Rows {
    const int* counted;
    int most;
    int count() const { return counted == nullptr ? most : *counted; }
};

template <class T> T minimum(T a, T b) { return a < b ? a : b; }
template <class T> T maximum(T a, T b) { return a > b ? a : b; }
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

template <class To, class From> To bits_as(From x) {
    static_assert(sizeof(To) == sizeof(From));
    To y;
    std::memcpy(&y, &x, sizeof y);
    return y;
}

inline float __uint_as_float(u32 x) { return bits_as<float>(x); }
inline u32 __float_as_uint(float x) { return bits_as<u32>(x); }

// Round to nearest even; NaN stays NaN.
inline bf16 to_bf16(float x) {
    u32 u = bits_as<u32>(x);
    return bf16{(u & 0x7fffffffu) > 0x7f800000u ? u16(0x7fff) : u16((u + 0x7fffu + (u >> 16 & 1)) >> 16)};
}

inline float to_float(bf16 x) { return bits_as<float>(u32(x.bits) << 16); }
inline float to_float(float x) { return x; }
template <class T> T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline bf16 from_float<bf16>(float x) { return to_bf16(x); }
inline float low_half(u32 pair) { return bits_as<float>(pair << 16); }
inline float high_half(u32 pair) { return bits_as<float>(pair & 0xffff0000u); }
inline u32 pack(float low, float high) { return u32(to_bf16(low).bits) | u32(to_bf16(high).bits) << 16; }

inline void unpack(uint4 from, float (&to)[8]) {
    u32 pairs[4] = {from.x, from.y, from.z, from.w};
    for (int i = 0; i < 8; i++) to[i] = i % 2 ? high_half(pairs[i / 2]) : low_half(pairs[i / 2]);
}

inline float exp2_fast(float x) { return exp2f(x); }
inline float log2_fast(float x) { return log2f(x); }
inline float reciprocal(float x) { return 1.0f / x; }
inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }

template <class T> T __shfl_xor_sync(u32, T x, int mask) { return bits_as<T>(emulator::exchange(bits_as<u32>(x), emulator::lane() ^ mask)); }
template <class T> T __shfl_sync(u32, T x, int from) { return bits_as<T>(emulator::exchange(bits_as<u32>(x), from)); }
inline float warp_sum(float x) {
    for (int lane = 16; lane > 0; lane >>= 1) x += __shfl_xor_sync(0xffffffffu, x, lane);
    return x;
}
inline float warp_max(float x) {
    for (int lane = 16; lane > 0; lane >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
    return x;
}
inline void __syncthreads() { emulator::meet(emulator::whole, int(emulator::fibers.size())); }
inline void __syncwarp() { emulator::meet(emulator::warps[emulator::warp()], 32); }
template <class T> T __ldg(const T* from) { return *from; }
template <class T> T __ldcg(const T* from) { return *from; }
inline uint4 load_in_place(const uint4* from) { return *from; }
inline uint4 load_streaming(const uint4* from) { return *from; }
inline float4 load_streaming(const float4* from) { return *from; }
inline void wait_for_previous_kernel() { }
inline void let_next_kernel_start() { }

inline u32 shared_address(const void* p) { return u32(static_cast<const unsigned char*>(p) - emulator::shared_memory); }
