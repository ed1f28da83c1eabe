// families: prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90
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

extern "C" __global__ void __launch_bounds__(384, 1)
small_weight_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap x, float* partials, u32* turns, int rows, int add) {
    linear_sm90<LinearTile<256, true, true, 4, 1>>(dy, x, 64, 512, rows, 66, WeightGradientF32<true>{partials, turns, 64, 512, add != 0});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
down_add(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const float* residual, float* y, int rows) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 1024, 2816, 1, RowStore<AddTo<float, float>>{AddTo<float, float>{residual, y, 1024}, rows, 1024});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
down_add_elements(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const bf16* residual, bf16* y, int rows) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 1024, 2816, 1, RowStore<AddTo<bf16, bf16>>{AddTo<bf16, bf16>{residual, y, 1024}, rows, 1024});
}

extern "C" __global__ void __launch_bounds__(384, 1)
head_logits(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const float* bias, float* y, int rows) {
    linear_sm90<LinearTile<192, false, false, 4, 1>>(x, w, rows, 264, 1024, 1, RowStore<StoreBias<float>>{StoreBias<float>{y, bias, 264}, rows, 264});
}
