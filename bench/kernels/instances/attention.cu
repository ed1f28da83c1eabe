// families: prelude attention attention_any sm80 attention_tiles attention_fwd attention_bwd
#define INSTANCE(WIDTH, LENGTH)                                                                                                             \
    extern "C" __global__ void __launch_bounds__(128, 1) fwd_##WIDTH(const element* qkv, element* o, float* lse, int batch) { attention_fwd<8, 4, WIDTH, LENGTH>(qkv, o, lse, batch); } \
    extern "C" __global__ void __launch_bounds__(128, 1) queries_##WIDTH(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) {     \
        attention_bwd_queries<8, 4, WIDTH, LENGTH>(qkv, d_o, lse, dots, d_qkv, batch); }                                                    \
    extern "C" __global__ void __launch_bounds__(128, 1) keys_##WIDTH(const element* qkv, const element* d_o, const float* lse, const float* dots, element* d_qkv, int batch) {        \
        attention_bwd_keys<8, 4, WIDTH, LENGTH>(qkv, d_o, lse, dots, d_qkv, batch); }
INSTANCE(16, 2048)
INSTANCE(32, 2048)
INSTANCE(48, 250)
INSTANCE(64, 2048)
INSTANCE(96, 255)
INSTANCE(128, 2048)
