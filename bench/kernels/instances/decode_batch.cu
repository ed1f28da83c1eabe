// families: prelude attention_mma decode_batch
extern "C" __global__ void __launch_bounds__(128) embedding(DecodeBatchEmbedding p) { decode_batch_embedding<1024, 32>(p); }
extern "C" __global__ void __launch_bounds__(128) qkv(DecodeBatchQkv p) { decode_batch_qkv<1024, 16, 4, 64, 4, 32>(p); }
extern "C" __global__ void __launch_bounds__(128) out(DecodeBatchResidual p) { decode_batch_residual<1024, 1024, 4, 32>(p); }
extern "C" __global__ void __launch_bounds__(128) gate_up(DecodeBatchGateUp p) { decode_batch_gate_up<1024, 2816, 4, 32>(p); }
extern "C" __global__ void __launch_bounds__(352) down(DecodeBatchResidual p) { decode_batch_residual<2816, 1024, 11, 32>(p); }
extern "C" __global__ void __launch_bounds__(128) logits(DecodeBatchLogits p) { decode_batch_logits<1024, 32768, 4, 3>(p); }
