// families: prelude embedding
extern "C" __global__ void __launch_bounds__(256) embed(const int* tokens, const bf16* table, float* stream, int rows) {
    embedding_fwd<1024, 256>(tokens, table, stream, rows);
}
extern "C" __global__ void __launch_bounds__(1024) order_positions(const int* tokens, int* starts, int* order, int rows) {
    embedding_order<32768>(tokens, starts, order, rows);
}
extern "C" __global__ void __launch_bounds__(256) gradient(const int* starts, const int* order, const float* d_stream, float* gradient) {
    embedding_gradient<1024>(starts, order, d_stream, gradient);
}
