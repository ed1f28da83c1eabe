// families: prelude sm80 cached_attention decode_products decode_layer
#define INSTANCE(ROWS, ROUTED, D, H, G, W, F, V)                                                                                                                            \
    extern "C" __global__ void __launch_bounds__(decode_threads(D, ROWS), decode_resident(D, ROWS)) qkv_##D##_##ROWS(const bf16* w, const float* x, const float* gain, const bf16* normed,            \
            const float2* table, const int* positions, const int* sequences, const int* lengths, const int* of, bf16* q, bf16* cache, Rows rows, float epsilon) {           \
        decode_qkv<D, H, G, W, 1024, ROWS, ROUTED>(w, x, gain, normed, table, positions, sequences, lengths, of, q, cache, rows, epsilon); }                                \
    extern "C" __global__ void __launch_bounds__(decode_threads(H * W, ROWS), decode_resident(H * W, ROWS)) out_##D##_##ROWS(const bf16* w, const bf16* o, const float* x, const int* of, float* t, const int* sequences, int* lengths, Rows rows) { \
        decode_attention_output<H * W, D, ROWS>(w, o, x, of, t, sequences, lengths, rows); }                                                                                \
    extern "C" __global__ void __launch_bounds__(decode_threads(D, ROWS), decode_resident(D, ROWS)) gate_up_##D##_##ROWS(const bf16* w, const float* t, const float* gain, const bf16* normed, bf16* hidden, Rows rows, float epsilon) { \
        decode_gate_up<D, F, ROWS>(w, t, gain, normed, hidden, rows, epsilon); }                                                                                            \
    extern "C" __global__ void __launch_bounds__(decode_threads(F, ROWS), decode_resident(F, ROWS)) down_##D##_##ROWS(const bf16* w, const bf16* hidden, const float* t, float* x, Rows rows) { decode_down<F, D, ROWS>(w, hidden, t, x, rows); } \
    extern "C" __global__ void __launch_bounds__(decode_threads(F, ROWS), decode_resident(F, ROWS)) down_routed_##D##_##ROWS(const bf16* w, const bf16* hidden, const float* t, const float* gates, const int* of, float* x, Rows rows) { \
        decode_down_routed<F, D, ROWS>(w, hidden, t, gates, of, x, rows); }                                                                                                 \
    extern "C" __global__ void __launch_bounds__(decode_threads(D, ROWS), decode_resident(D, ROWS)) logits_##D##_##ROWS(const bf16* w, const float* x, const float* gain, const bf16* normed, const int* of, float* logits, Rows rows, float epsilon) { \
        decode_logits<D, V, ROWS>(w, x, gain, normed, of, logits, rows, epsilon); }
INSTANCE(1, false, 1024, 16, 16, 64, 2816, 32768)
INSTANCE(8, false, 1024, 16, 16, 64, 2816, 32768)
INSTANCE(16, true, 1024, 16, 4, 64, 2816, 32768)
INSTANCE(32, false, 1024, 16, 16, 64, 2816, 32768)
INSTANCE(1, true, 192, 6, 3, 32, 520, 257)
INSTANCE(8, true, 192, 6, 3, 32, 520, 257)
INSTANCE(8, false, 4096, 32, 8, 128, 14336, 32000)
