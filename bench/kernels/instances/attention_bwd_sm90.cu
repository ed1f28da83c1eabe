// families: prelude sm90 wgmma attention attention_copy_sm90 attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_queries_sm90 attention_bwd_keys_sm90
using Narrow = AttentionHeads<64, 16, 16>;
using Wide = AttentionHeads<128, 8, 2>;

extern "C" __global__ void __launch_bounds__(AttentionQueriesFor<Narrow, 2048>::Threads, 1)
queries_64(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, AttentionBackward p) {
    attention_bwd_queries_sm90<AttentionQueriesFor<Narrow, 2048>>(qkv, d_o, d_qkv, p);
}

extern "C" __global__ void __launch_bounds__(AttentionKeysFor<Narrow, 2048>::Threads, 1)
keys_64(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, AttentionBackward p) {
    attention_bwd_keys_sm90<AttentionKeysFor<Narrow, 2048>>(qkv, d_o, d_qkv, p);
}

extern "C" __global__ void __launch_bounds__(AttentionQueriesFor<Wide, 2048>::Threads, 1)
queries_128(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, AttentionBackward p) {
    attention_bwd_queries_sm90<AttentionQueriesFor<Wide, 2048>>(qkv, d_o, d_qkv, p);
}

extern "C" __global__ void __launch_bounds__(AttentionKeysFor<Wide, 2048>::Threads, 1)
keys_128(const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_o, const __grid_constant__ TensorMap d_qkv, AttentionBackward p) {
    attention_bwd_keys_sm90<AttentionKeysFor<Wide, 2048>>(qkv, d_o, d_qkv, p);
}
