// families: prelude sm90 wgmma linear_sm90 linear_overlapped_sm90 linear_overlapped_epilogues_sm90
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
gate_up(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, bf16* h, bf16* branches, int rows) {
    linear_overlapped_sm90<LinearTile<256, false, false, 3, 2, 8, 2, 2816>>(x, w, rows, 5632, 1024, OverlappedSwiGlu{h, branches, 2816});
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
down_input_gradient(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const bf16* branches, bf16* d_branches, int rows) {
    linear_overlapped_sm90<LinearTile<256, false, true, 3, 2, 2>>(dy, w, rows, 2816, 1024, OverlappedSwiGluGradient{branches, d_branches, 2816});
}

extern "C" __global__ void __launch_bounds__(384, 1)
down_input_gradient_alone(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, const bf16* branches, bf16* d_branches, int rows) {
    linear_overlapped_sm90<LinearTile<256, false, true, 3, 1, 2>>(dy, w, rows, 2816, 1024, OverlappedSwiGluGradient{branches, d_branches, 2816});
}
