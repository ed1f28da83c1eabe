// families: prelude sm80 linear_stores linear_sm80 linear_groups linear_grouped_sm80
extern "C" __global__ void __launch_bounds__(256, 1) up_fwd(const element* x, const element* w, const int* starts, element* y) {
    linear_grouped_sm80<LinearTile80<256, false, false>, 8>(x, 1024, w, 1024, starts, 2816, 1024, 2816, StoreElement{y, 2816});
}
extern "C" __global__ void __launch_bounds__(256, 1) up_input_gradient(const element* dy, const element* w, const int* starts, element* dx) {
    linear_grouped_sm80<LinearTile80<256, false, true>, 8>(dy, 2816, w, 1024, starts, 1024, 2816, 2816, StoreElement{dx, 1024});
}
extern "C" __global__ void __launch_bounds__(256, 1) up_weight_gradient(const element* dy, const element* x, const int* starts, float* gradient, int add) {
    linear_grouped_wgrad_sm80<LinearTile80<256, true, true>, 8>(dy, x, starts, gradient, 2816, 1024, add != 0);
}
