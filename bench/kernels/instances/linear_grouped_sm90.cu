// families: prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90 linear_groups linear_grouped_sm90
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
up_fwd(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, const int* starts) {
    linear_grouped_sm90<LinearTile<256, false, false>, 8>(x, w, starts, 2816, 1024, 2816, StoreBf16{y});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
up_input_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap dx, const int* starts) {
    linear_grouped_sm90<LinearTile<256, false, true>, 8>(dy, w, starts, 1024, 2816, 2816, StoreBf16{dx});
}

extern "C" __global__ void __launch_bounds__(384, 1)
up_weight_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap x, const int* starts, float* gradient, int add) {
    linear_grouped_wgrad_sm90<LinearTile<256, true, true, 4, 1>, 8>(dy, x, starts, gradient, 2816, 1024, add != 0);
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(512, 1)
up_weight_gradient_of_three(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap x, const int* starts, float* gradient, int add) {
    linear_grouped_wgrad_sm90<LinearTile<128, true, true, 5, 2, 8, 3>, 8>(dy, x, starts, gradient, 2816, 1024, add != 0);
}
