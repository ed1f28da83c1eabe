// families: prelude linear_stores linear_any
// precisions: both
extern "C" __global__ void __launch_bounds__(256) forward(const element* x, const element* w, element* y, Rows rows) {
    linear_any<false, false>(x, 1024, w, 1024, rows, 257, 1024, StoreElement{y, 257});
}
extern "C" __global__ void __launch_bounds__(256) forward_bias(const element* x, const element* w, const float* bias, float* y, Rows rows) {
    linear_any<false, false>(x, 64, w, 64, rows, 1, 64, StoreBias<float>{y, bias, 1});
}
extern "C" __global__ void __launch_bounds__(256) input_gradient(const element* dy, const element* w, float* dx, Rows rows) {
    linear_any<false, true>(dy, 257, w, 1024, rows, 1024, 257, AddTo<float, float>{dx, dx, 1024});
}
extern "C" __global__ void __launch_bounds__(256) weight_gradient(const element* dy, const element* x, float* gradient, Rows rows, int add) {
    linear_any<true, true>(dy, 257, x, 1024, 257, 1024, rows, Accumulate{gradient, 1024, add != 0});
}
