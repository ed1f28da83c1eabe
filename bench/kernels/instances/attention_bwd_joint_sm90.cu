// families: prelude sm80 sm90 wgmma attention attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_joint_sm90 attention_bwd_joint_keys_sm90 attention_bwd_joint_rows_sm90 attention_bwd_joint_queries_sm90
#define INSTANCE(HEADS, KEY_VALUE_HEADS, LENGTH)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(512, 1)                                                                                                    \
    gradient_##HEADS##_##KEY_VALUE_HEADS##_##LENGTH(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, \
                               const element* o, const float* lse, float* rows, float4* sums, const int* positions, const float2* rotary, int batch) {      \
        attention_bwd_joint_sm90<HEADS, KEY_VALUE_HEADS, 64, LENGTH>(qkv, d_o, d_qkv, o, lse, rows, sums, positions, rotary, batch); }
INSTANCE(16, 16, 256)
INSTANCE(16, 4, 200)
