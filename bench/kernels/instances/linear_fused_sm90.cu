// families: prelude sm90 wgmma linear_sm90 linear_epilogues_sm90 linear_fused_epilogues_sm90
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_rotary(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, const float4* table, const int* rows, int m) {
    linear_sm90<LinearTile<256, false, false>>(x, w, m, 3072, 1024, 1, RotaryStore<64, 2048, 2048, true>{y, table, rows, m});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_rotary_128(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, const float4* table, const int* rows, int m) {
    linear_sm90<LinearTile<256, false, false>>(x, w, m, 3072, 1024, 1, RotaryStore<128, 2048, 2048, false>{y, table, rows, m});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
gate_up(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap h, const __grid_constant__ TensorMap branches, int m) {
    linear_sm90<LinearTile<256, false, false>>(x, w, m, 5632, 1024, 1, SwiGluStore<true>{h, branches});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
down_input_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap gradients,
                    const __grid_constant__ TensorMap branches, int m) {
    linear_sm90<LinearTile<256, false, true, 3>>(dy, w, m, 2816, 1024, 1, SwiGluGradientStore{gradients, branches});
}

extern "C" __global__ void __launch_bounds__(384, 1)
down_routed(const __grid_constant__ TensorMap h, const __grid_constant__ TensorMap w, float* x, const bf16* attention, bf16* added,
            const int* selected, const float* scores, int m) {
    linear_sm90<LinearTile<256, false, false, 4, 1>>(h, w, m, 1024, 2816, 1, ResidualAdd<Gate::Sigmoid, true>{x, attention, added, selected, scores, m, 1024});
}
