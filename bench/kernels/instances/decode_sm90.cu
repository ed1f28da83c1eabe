// families: prelude sm90 decode_linear decode_attention_sm90
extern "C" __global__ void __launch_bounds__(128, 3) qkv(DecodeQkv p) { decode_qkv<1024, 16, 16, 64, 2, 1, false>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) qkv_routed(DecodeQkv p) { decode_qkv<1024, 16, 4, 64, 2, 1, true>(p); }
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(128, 2) attention(DecodeAttention p) { decode_attention<16, 16, 64, 8>(p); }
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(128, 2) attention_grouped(DecodeAttention p) { decode_attention<16, 4, 128, 8>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) out(DecodeResidual p) { decode_residual<1024, 1024, 2, 1, false>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) gate_up(DecodeGateUp p) { decode_gate_up<1024, 2816, 2, 1>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) down(DecodeResidual p) { decode_residual<2816, 1024, 1, 1, true>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) logits(const bf16* w, const float* x, const float* gain, float* out, float epsilon) {
    decode_logits<1024, 32768, 4, 1>(w, x, gain, out, epsilon);
}
