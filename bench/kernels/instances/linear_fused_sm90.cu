// families: prelude sm90 wgmma linear_sm90 linear_epilogues_sm90 linear_fused_epilogues_sm90
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_rotary(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, int rows, const int* positions, const float2* table) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 3072, 1024, 1, RotaryStore<64, 2048>{y, positions, table, rows});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
qkv_rotary_128(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap y, int rows, const int* positions, const float2* table) {
    linear_sm90<LinearTile<256, false, false>>(x, w, rows, 3072, 1024, 1, RotaryStore<128, 2048>{y, positions, table, rows});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
gate_up(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap h, const __grid_constant__ TensorMap gate,
        const __grid_constant__ TensorMap up, int rows) {
    linear_sm90<LinearTile<256, false, false, 4, 2, 8, 2, 2816>>(x, w, rows, 5632, 1024, 1, SwiGluStore<true>{h, gate, up});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
gate_up_two_buffers(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap h, const __grid_constant__ TensorMap gate,
                    const __grid_constant__ TensorMap up, int rows) {
    linear_sm90<LinearTile<256, false, false, 3, 2, 8, 2, 2816>>(x, w, rows, 5632, 1024, 1, SwiGluStore<true, 2>{h, gate, up});
}

extern "C" __global__ void __launch_bounds__(384, 1)
gate_up_alone(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap h, int rows) {
    linear_sm90<LinearTile<256, false, false, 4, 1, 8, 2, 2816>>(x, w, rows, 5632, 1024, 1, SwiGluStore<false>{h, h, h});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
down_input_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap d_gate, const __grid_constant__ TensorMap d_up,
                    const __grid_constant__ TensorMap gate, const __grid_constant__ TensorMap up, int rows) {
    linear_sm90<LinearTile<256, false, true, 3>>(dy, w, rows, 2816, 1024, 1, SwiGluGradientStore<256>{d_gate, d_up, gate, up});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
down_input_gradient_192(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const __grid_constant__ TensorMap d_gate, const __grid_constant__ TensorMap d_up,
                        const __grid_constant__ TensorMap gate, const __grid_constant__ TensorMap up, int rows) {
    linear_sm90<LinearTile<192, false, true, 3>>(dy, w, rows, 2816, 1024, 1, SwiGluGradientStore<192>{d_gate, d_up, gate, up});
}
