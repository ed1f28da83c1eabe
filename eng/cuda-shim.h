// What nvcc predefines and clang does not without the CUDA headers: enough to check the kernel families on a machine
// that has neither a GPU nor CUDA. Never part of a product build.
#pragma once
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __cluster_dims__(...) __attribute__((cluster_dims(__VA_ARGS__)))
#define __grid_constant__ __attribute__((grid_constant))
#define __align__(n) __attribute__((aligned(n)))

struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct Dim3 { unsigned x, y, z; };
__device__ inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
__device__ inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
__device__ inline float2 make_float2(float x, float y) { return {x, y}; }
__device__ inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
#define threadIdx (Dim3{unsigned(__nvvm_read_ptx_sreg_tid_x()), unsigned(__nvvm_read_ptx_sreg_tid_y()), unsigned(__nvvm_read_ptx_sreg_tid_z())})
#define blockIdx (Dim3{unsigned(__nvvm_read_ptx_sreg_ctaid_x()), unsigned(__nvvm_read_ptx_sreg_ctaid_y()), unsigned(__nvvm_read_ptx_sreg_ctaid_z())})
#define blockDim (Dim3{unsigned(__nvvm_read_ptx_sreg_ntid_x()), unsigned(__nvvm_read_ptx_sreg_ntid_y()), unsigned(__nvvm_read_ptx_sreg_ntid_z())})
#define gridDim (Dim3{unsigned(__nvvm_read_ptx_sreg_nctaid_x()), unsigned(__nvvm_read_ptx_sreg_nctaid_y()), unsigned(__nvvm_read_ptx_sreg_nctaid_z())})

__device__ inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
__device__ inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
__device__ inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
__device__ inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
__device__ inline float fmaxf(float a, float b) { return __builtin_fmaxf(a, b); }
__device__ inline float fminf(float a, float b) { return __builtin_fminf(a, b); }
__device__ inline float ceilf(float x) { return __builtin_ceilf(x); }
__device__ inline float fabsf(float x) { return __builtin_fabsf(x); }
__device__ inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
__device__ inline float sqrtf(float x) { return __nvvm_sqrt_rn_f(x); }
__device__ inline float rsqrtf(float x) { return __nvvm_rsqrt_approx_f(x); }
extern "C" __device__ float expf(float), logf(float), log1pf(float), tanhf(float);
__device__ inline int __popc(unsigned x) { return __builtin_popcount(x); }
__device__ inline void __threadfence() { __nvvm_membar_gl(); }
__device__ inline void __syncwarp(unsigned mask = 0xffffffffu) { __nvvm_bar_warp_sync(mask); }
__device__ inline unsigned __ballot_sync(unsigned mask, int p) { return __nvvm_vote_ballot_sync(mask, p); }
__device__ inline unsigned __reduce_add_sync(unsigned mask, unsigned x) { return __nvvm_redux_sync_add(x, mask); }
__device__ inline unsigned __match_any_sync(unsigned mask, int x) { return __nvvm_match_any_sync_i32(mask, x); }
__device__ inline unsigned long __cvta_generic_to_shared(const void* p) { return (unsigned long)(__attribute__((address_space(3))) const void*)p; }
__device__ inline unsigned atomicAdd(unsigned* p, unsigned x) { return __atomic_fetch_add(p, x, __ATOMIC_RELAXED); }

#define SHUFFLE(NAME, BUILTIN, CLAMP)                                                                                        \
    __device__ inline int NAME(unsigned m, int x, int l) { return BUILTIN(m, x, l, CLAMP); }                                 \
    __device__ inline unsigned NAME(unsigned m, unsigned x, int l) { return (unsigned)BUILTIN(m, (int)x, l, CLAMP); }        \
    __device__ inline float NAME(unsigned m, float x, int l) { return __int_as_float(BUILTIN(m, __float_as_int(x), l, CLAMP)); }
SHUFFLE(__shfl_sync, __nvvm_shfl_sync_idx_i32, 31)
SHUFFLE(__shfl_xor_sync, __nvvm_shfl_sync_bfly_i32, 31)
SHUFFLE(__shfl_up_sync, __nvvm_shfl_sync_up_i32, 0)
#undef SHUFFLE

template <class T> __device__ inline T __ldg(const T* p) { return *p; }
template <class T> __device__ inline T __ldcg(const T* p) { return *p; }
template <class T> __device__ inline T __ldcs(const T* p) { return *p; }
template <class T> __device__ inline void __stcg(T* p, T x) { *p = x; }
template <class T> __device__ inline void __stcs(T* p, T x) { *p = x; }
