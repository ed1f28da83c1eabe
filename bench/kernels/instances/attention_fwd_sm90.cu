// families: prelude sm90 wgmma attention_fwd_sm90
extern "C" __global__ void __launch_bounds__(384, 1)
attention_fwd_64(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap o, float* log_sums, int sequences) {
    attention_fwd_sm90<AttentionTile<2048, 16, 16, 64, 2>>(q, k, o, log_sums, sequences);
}

extern "C" __global__ void __launch_bounds__(384, 1)
attention_fwd_128(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap o, float* log_sums, int sequences) {
    attention_fwd_sm90<AttentionTile<256, 8, 2, 128, 2>>(q, k, o, log_sums, sequences);
}
