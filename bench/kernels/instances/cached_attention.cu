// families: prelude cached_attention cached_attention_split
// precisions: both
extern "C" __global__ void __launch_bounds__(1024) place(const int* sequences, const int* lengths, int* visible, Rows rows) { cache_place(sequences, lengths, visible, rows); }
extern "C" __global__ void __launch_bounds__(1024) advance(const int* sequences, int* lengths, Rows rows) { cache_advance(sequences, lengths, rows); }
extern "C" __global__ void __launch_bounds__(1024) place_advance(const int* sequences, int* lengths, int* visible, Rows rows) { cache_place_advance(sequences, lengths, visible, rows); }
#define INSTANCE(HEADS, KEY_VALUE_HEADS, WIDTH, CONTEXT)                                                                                        \
    extern "C" __global__ void __launch_bounds__(256) append_##WIDTH(const element* qkv, const int* sequences, const int* visible, element* cache, Rows rows) { \
        cache_append<HEADS, KEY_VALUE_HEADS, WIDTH, CONTEXT>(qkv, sequences, visible, cache, rows); }                                            \
    extern "C" __global__ void __launch_bounds__(256) attention_##WIDTH(const element* qkv, const int* sequences, const int* visible, const element* cache, element* o, Rows rows) { \
        cached_attention<HEADS, KEY_VALUE_HEADS, WIDTH, CONTEXT>(qkv, sequences, visible, cache, o, rows); }                                          \
    extern "C" __global__ void __launch_bounds__(256) split_##WIDTH(const element* qkv, const int* sequences, const int* visible, const element* cache, float* partials, Rows rows) { \
        cached_attention_split<HEADS, KEY_VALUE_HEADS, WIDTH, CONTEXT, 8>(qkv, sequences, visible, cache, partials, rows); }                     \
    extern "C" __global__ void __launch_bounds__(256) combine_##WIDTH(const float* partials, element* o, Rows rows) { cached_attention_combine<HEADS, WIDTH, 8>(partials, o, rows); }
INSTANCE(16, 16, 64, 2048)
INSTANCE(16, 2, 128, 1024)
INSTANCE(3, 1, 6, 33)
INSTANCE(4, 4, 48, 2048)
INSTANCE(5, 1, 256, 300)
