// The functions of prelude.cuh that are inline PTX, in plain C++.
#pragma once

// Round to nearest even; NaN stays NaN.
inline bf16 to_bf16(float x) {
    u32 u = bits_as<u32>(x);
    return bf16{(u & 0x7fffffffu) > 0x7f800000u ? u16(0x7fff) : u16((u + 0x7fffu + (u >> 16 & 1)) >> 16)};
}

inline u32 pack(float low, float high) { return u32(to_bf16(low).bits) | u32(to_bf16(high).bits) << 16; }
inline float exp2_fast(float x) { return exp2f(x); }
inline float log2_fast(float x) { return log2f(x); }
inline float reciprocal(float x) { return 1.0f / x; }
inline uint4 load_in_place(const uint4* from) { return *from; }
inline float4 load_in_place(const float4* from) { return *from; }
inline uint4 load_streaming(const uint4* from) { return *from; }
inline float4 load_streaming(const float4* from) { return *from; }
inline void store_where(bool wanted, uint4* to, uint4 v) { if (wanted) *to = v; }
inline void prefetch_to_second_level(const void*) { }
inline void forget(uint4&) { }
inline void wait_for_previous_kernel() { }
inline void let_next_kernel_start() { }
inline u32 load_acquire(const u32* counter) {  // whoever asks again and again lets the others go on
    emulator::yield();
    return *counter;
}
inline void store_release(u32* counter, u32 value) {
    *counter = value;
    emulator::progress++;
}
inline void add_release(u32* counter, u32 value) { store_release(counter, *counter + value); }
inline u32 shared_address(const void* p) { return u32(static_cast<const unsigned char*>(p) - emulator::shared_memory); }
inline void named_barrier(int barrier, int threads);  // units.h
inline void team_barrier(int barrier, int threads) { named_barrier(barrier, threads); }
