// families: prelude sm90 sm80 rms_norm decode_linear decode_linear_mma
extern "C" __global__ void __launch_bounds__(128, 3) qkv(DecodeQkv p, const bf16* normed) { decode_qkv_mma<1024, 16, 4, 64, 32>(p, normed); }
extern "C" __global__ void __launch_bounds__(128, 3) out(DecodeResidual p) { decode_residual_mma<1024, 1024, 32>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) gate_up(DecodeGateUp p, const bf16* normed) { decode_gate_up_mma<1024, 2816, 32>(p, normed); }
extern "C" __global__ void __launch_bounds__(256, 1) down(DecodeResidual p) { decode_residual_mma<2816, 1024, 32>(p); }
extern "C" __global__ void __launch_bounds__(128, 3) logits(const bf16* w, const bf16* normed, float* out) { decode_logits_mma<1024, 32768, 64>(w, normed, out); }
