// families: prelude sm90 wgmma attention attention_sm90 attention_fwd_sm90
using Long = AttentionForwardFor<AttentionHeads<64, 16, 16>, 2048>;
using Short = AttentionForwardFor<AttentionHeads<64, 16, 4>, 256>;
using Wide = AttentionForwardFor<AttentionHeads<128, 8, 2>, 2048>;

extern "C" __global__ void __launch_bounds__(Long::Threads, 1)
attention_fwd_64(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap o, float* lse, int batch) {
    attention_fwd_sm90<Long>(qkv, o, lse, 2048, batch, 0.125f);
}

extern "C" __global__ void __launch_bounds__(Short::Threads, 1)
attention_fwd_64_short(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap o, float* lse, int batch) {
    attention_fwd_sm90<Short>(qkv, o, lse, 250, batch, 0.125f);
}

extern "C" __global__ void __launch_bounds__(Wide::Threads, 1)
attention_fwd_128(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap o, float* lse, int batch) {
    attention_fwd_sm90<Wide>(qkv, o, lse, 2048, batch, 0.08838834764831845f);
}
