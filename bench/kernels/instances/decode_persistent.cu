// families: prelude vectors sm80 routing cached_attention decode_products decode_layer decode_persistent
#define INSTANCE(NAME, ROUTED, D, H, G, W, F, BLOCKS)                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(PersistentThreads, 1) NAME(const float* router, const float* logits, const int* use_forced, const int* forced, int* flags,  \
            const int* positions, const int* sequences, int* lengths, float* x, const float* gain1, const bf16* w_qkv, const float2* rotary, bf16* cache, const bf16* w_out,  \
            const float* gain2, const bf16* w_gate_up, const bf16* w_down, bf16* q, float* partials, float* t, bf16* hidden, u32* counter, Rows rows, float epsilon) {      \
        decode_layer_persistent<D, H, G, W, F, 1024, BLOCKS, ROUTED, Gate::Sigmoid>(router, logits, use_forced, forced, flags, positions, sequences, lengths, x, gain1,     \
            w_qkv, rotary, cache, w_out, gain2, w_gate_up, w_down, q, partials, t, hidden, counter, rows, epsilon); }
INSTANCE(routed, true, 1024, 16, 16, 64, 2816, 132)
INSTANCE(dense, false, 1024, 16, 16, 64, 2816, 132)
INSTANCE(grouped, true, 768, 12, 4, 64, 2048, 108)
INSTANCE(wide, true, 2048, 16, 8, 128, 5632, 132)
INSTANCE(one, true, 256, 2, 1, 256, 256, 8)
