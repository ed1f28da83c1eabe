// families: prelude sm90 cached_attention decode_attention_sm90
// precisions: both
#define INSTANCE(HEADS, KEY_VALUE_HEADS, WIDTH, SPLITS)                                                                                  \
    extern "C" __global__ void __cluster_dims__(SPLITS, 1, 1) __launch_bounds__(256)                                                     \
    attention_##WIDTH(const element* q, const int* sequences, const int* lengths, const element* cache, element* o, Rows rows) {         \
        decode_attention<HEADS, KEY_VALUE_HEADS, WIDTH, 1024, SPLITS>(q, sequences, lengths, cache, o, rows); }
INSTANCE(16, 16, 64, 8)
INSTANCE(16, 2, 128, 8)
INSTANCE(3, 1, 46, 4)
