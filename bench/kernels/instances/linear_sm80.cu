// families: prelude sm80 linear_sm80
extern "C" __global__ void __launch_bounds__(256, 1) forward(const bf16* x, const bf16* w, bf16* y, int rows) {
    linear_sm80<LinearTile80<256, false, false>>(x, 1024, w, 1024, rows, 3072, 1024, StoreBf16Plain{y, 3072});
}
extern "C" __global__ void __launch_bounds__(256, 1) input_gradient(const bf16* dy, const bf16* w, bf16* dx, int rows) {
    linear_sm80<LinearTile80<256, false, true>>(dy, 3072, w, 1024, rows, 1024, 3072, StoreBf16Plain{dx, 1024});
}
extern "C" __global__ void __launch_bounds__(256, 1) weight_gradient(const bf16* dy, const bf16* x, float* gradient, int rows, int add) {
    linear_sm80<LinearTile80<256, true, true>>(dy, 3072, x, 1024, 3072, 1024, rows, AccumulateF32Plain{gradient, 1024, add != 0});
}
