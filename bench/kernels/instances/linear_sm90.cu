// families: prelude sm90 wgmma linear_sm90 linear_epilogues_sm90
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_fwd(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, int rows) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 3072, 1024, 1, StoreBf16{y});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_input_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap dx, int rows) {
    linear_sm90<LinearTile<256, false, true>>(dy, w, rows, 1024, 3072, 1, StoreBf16{dx});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_weight_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap x, float* gradient, u32* turns, int rows, int slices, int add) {
    linear_sm90<LinearTile<128, true, true, 6>>(dy, x, 3072, 1024, rows, slices, AccumulateF32{gradient, turns, 3072, 1024, add != 0});
}
