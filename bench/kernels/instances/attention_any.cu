// families: prelude attention_any
// precisions: both
#define INSTANCE(HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH)                                                                                     \
    extern "C" __global__ void __launch_bounds__(256, 1) fwd_##WIDTH(const element* qkv, element* o, float* lse, int batch) {               \
        attention_any_fwd<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(qkv, o, lse, batch); }                                                     \
    extern "C" __global__ void __launch_bounds__(256, 1) rows_##WIDTH(const element* o, const element* d_o, float* dots, int batch) {       \
        attention_any_rows<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(o, d_o, dots, batch); }                                                   \
    extern "C" __global__ void __launch_bounds__(256, 1) queries_##WIDTH(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) { \
        attention_any_bwd_queries<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(qkv, d_o, lse, dots, d_qkv, batch); }                               \
    extern "C" __global__ void __launch_bounds__(256, 1) keys_##WIDTH(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) { \
        attention_any_bwd_keys<HEADS, KEY_VALUE_HEADS, WIDTH, LENGTH>(qkv, d_o, lse, dots, d_qkv, batch); }
INSTANCE(4, 2, 2, 7)
INSTANCE(3, 3, 46, 96)
INSTANCE(16, 16, 64, 2048)
INSTANCE(8, 2, 256, 300)
