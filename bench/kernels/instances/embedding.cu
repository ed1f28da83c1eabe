// families: prelude embedding
extern "C" __global__ void __launch_bounds__(256) embed(const int* tokens, const bf16* table, float* stream, int rows) {
    embedding_fwd<1024, 256>(tokens, table, stream, rows);
}
extern "C" __global__ void __launch_bounds__(1024) order_positions(const int* tokens, int* starts, int* order, int rows) {
    embedding_order<32768>(tokens, starts, order, rows);
}
extern "C" __global__ void __launch_bounds__(256)
chunk_sums(const int* tokens, const int* starts, const int* order, const float* d_stream, float* gradient, float* partials, int rows) {
    embedding_chunk_sums<1024>(tokens, starts, order, d_stream, gradient, partials, rows);
}
extern "C" __global__ void __launch_bounds__(256)
long_sums(const int* tokens, const int* starts, const int* order, const float* partials, float* gradient, int rows) {
    embedding_long_sums<1024>(tokens, starts, order, partials, gradient, rows);
}
