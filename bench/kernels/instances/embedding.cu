// families: prelude vectors embedding
#define INSTANCE(VOCABULARY, WIDTH)                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256, 1) embed_##WIDTH(const int* tokens, const float* table, float* stream, Rows rows) {                    \
        embedding_fwd<WIDTH>(tokens, table, stream, rows);                                                                                                \
    }                                                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(1024, 1) place_##WIDTH(const int* tokens, int* starts, int* order, int rows) {                              \
        embedding_order<VOCABULARY>(tokens, starts, order, rows);                                                                                         \
    }                                                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256, 1)                                                                                                     \
    chunk_sums_##WIDTH(const int* tokens, const int* starts, const int* order, const float* d_stream, float* gradient, float* partials, int rows) {       \
        embedding_chunk_sums<WIDTH>(tokens, starts, order, d_stream, gradient, partials, rows);                                                           \
    }                                                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256, 1)                                                                                                     \
    long_sums_##WIDTH(const int* tokens, const int* starts, const int* order, const float* partials, float* gradient, int rows) {                         \
        embedding_long_sums<WIDTH>(tokens, starts, order, partials, gradient, rows);                                                                      \
    }
INSTANCE(32768, 1024)
INSTANCE(257, 33)
INSTANCE(1048576, 250)
