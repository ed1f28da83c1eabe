// families: prelude sm80 linear_stores linear_sm80
extern "C" __global__ void __launch_bounds__(256, 1) forward(const element* x, const element* w, element* y, Rows rows) {
    linear_sm80<LinearTile80<256, false, false>>(x, 1024, w, 1024, rows, 3072, 1024, StoreElement{y, 3072});
}
extern "C" __global__ void __launch_bounds__(256, 1) input_gradient(const element* dy, const element* w, element* dx, Rows rows) {
    linear_sm80<LinearTile80<256, false, true>>(dy, 3072, w, 1024, rows, 1024, 3072, StoreElement{dx, 1024});
}
extern "C" __global__ void __launch_bounds__(256, 1) weight_gradient(const element* dy, const element* x, float* gradient, u32* turns, Rows rows, int slices, int add) {
    linear_sm80<LinearTile80<256, true, true>>(dy, 3072, x, 1024, 3072, 1024, rows, Accumulate{gradient, 1024, add != 0}, slices, turns);
}
extern "C" __global__ void __launch_bounds__(256, 1) residual(const element* x, const element* w, const float* stream, float* y, Rows rows) {
    linear_sm80<LinearTile80<128, false, false>>(x, 1024, w, 1024, rows, 1024, 1024, AddTo<float, float>{stream, y, 1024});
}
extern "C" __global__ void __launch_bounds__(128, 2) forward_of_four_warps(const element* x, const element* w, element* y, Rows rows) {
    linear_sm80<LinearTile80<128, false, false, 3, 8, 128>>(x, 1024, w, 1024, rows, 3072, 1024, StoreElement{y, 3072});
}
extern "C" __global__ void __launch_bounds__(256, 1) narrow_bias(const element* x, const element* w, const float* bias, float* y, Rows rows) {
    linear_sm80<LinearTile80<64, false, false>>(x, 1024, w, 1024, rows, 40, 1024, StoreBias<float>{y, bias, 40});
}
