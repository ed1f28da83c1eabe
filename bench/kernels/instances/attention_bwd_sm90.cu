// families: prelude sm90 wgmma attention attention_copy_sm90 attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_queries_sm90 attention_bwd_keys_sm90
#define INSTANCE(HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH, THREADS)                                                                                            \
    extern "C" __global__ void __launch_bounds__(512, 1)                                                                                                    \
    queries_##WIDTH##_##LENGTH(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv,       \
                               const element* o, const element* d_output, const float* lse, float* rows, const int* positions, const float2* rotary, int batch) {                                       \
        attention_bwd_queries_sm90<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(qkv, d_o, d_qkv, o, d_output, lse, rows, positions, rotary, batch); }                                \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                                                                                \
    keys_##WIDTH##_##LENGTH(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, float* rows, const int* positions, const float2* rotary, int batch) { \
        attention_bwd_keys_sm90<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(qkv, d_o, d_qkv, rows, positions, rotary, batch); }
INSTANCE(16, 16, 64, 2048, 512)
INSTANCE(16, 4, 64, 250, 384)
INSTANCE(8, 2, 128, 2048, 384)
