// families: prelude sm90 wgmma attention attention_sm90 attention_fwd_sm90
#define INSTANCE(HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH, THREADS)                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                                                \
    fwd_##WIDTH##_##LENGTH(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap o, float* lse, int batch) { \
        attention_fwd_sm90<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(qkv, o, lse, batch); }
INSTANCE(16, 16, 64, 2048, 512)
INSTANCE(16, 4, 64, 250, 640)
INSTANCE(8, 2, 128, 2048, 512)
INSTANCE(8, 2, 128, 4096, 384)
