// families: prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90 linear_fused_epilogues_sm90
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_rotary(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, int rows, const int* positions, const float2* table) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 3072, 1024, 1, RotaryStore<64, 2048>{y, positions, table, rows});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_rotary_128(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, int rows, const int* positions, const float2* table) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 3072, 1024, 1, RotaryStore<128, 2048>{y, positions, table, rows});
}
