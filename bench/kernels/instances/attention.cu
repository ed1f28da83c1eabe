// families: prelude attention attention_rows sm80 attention_tiles attention_fwd attention_bwd
template <int Width> using Tile = AttentionTile<AttentionHeads<Width, 8, 4>>;
#define INSTANCE(WIDTH)                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(128) attention_fwd_##WIDTH(AttentionForward p) { attention_fwd<Tile<WIDTH>>(p); }         \
    extern "C" __global__ void __launch_bounds__(128) queries_##WIDTH(AttentionBackward p, const bf16* qkv, bf16* dqkv) { attention_bwd_queries<Tile<WIDTH>>(p, qkv, dqkv); } \
    extern "C" __global__ void __launch_bounds__(128) keys_##WIDTH(AttentionBackward p, const bf16* qkv, bf16* dqkv) { attention_bwd_keys<Tile<WIDTH>>(p, qkv, dqkv); }
INSTANCE(32)
INSTANCE(64)
INSTANCE(96)
INSTANCE(128)
