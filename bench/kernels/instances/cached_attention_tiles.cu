// families: prelude attention sm80 attention_tiles cached_attention_tiles
#define INSTANCE(HEADS, KEY_VALUE_HEADS, WIDTH)                                                                                                \
    extern "C" __global__ void __launch_bounds__(128, 1)                                                                                       \
    attention_##WIDTH(const element* qkv, const int* sequences, const int* visible, const element* cache, element* o, Rows rows) {            \
        cached_attention_tiles<HEADS, KEY_VALUE_HEADS, WIDTH, 2048>(qkv, sequences, visible, cache, o, rows); }
INSTANCE(4, 4, 16)
INSTANCE(16, 16, 64)
INSTANCE(8, 2, 96)
INSTANCE(8, 2, 128)
