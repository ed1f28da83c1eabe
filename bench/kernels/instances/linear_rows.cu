// families: prelude sm80 linear_stores linear_rows
// precisions: both
extern "C" __global__ void __launch_bounds__(256) linear_32(const element* x, const element* w, element* y, Rows rows) {
    linear_rows<32, 3072, 1024, true>(x, w, rows, StoreElement{y, 3072});
}
extern "C" __global__ void __launch_bounds__(256) linear_1(const element* x, const element* w, const float* stream, float* y, Rows rows) {
    linear_rows<1, 1024, 2816>(x, w, rows, AddTo<float, float>{stream, y, 1024});
}
extern "C" __global__ void __launch_bounds__(256) logits_8(const element* x, const element* w, float* y, Rows rows) {
    linear_rows<8, 257, 1024>(x, w, rows, StoreFloat{y, 257});
}
extern "C" __global__ void __launch_bounds__(256) odd_16(const element* x, const element* w, const float* bias, element* y, Rows rows) {
    linear_rows<16, 1, 33>(x, w, rows, StoreBias<element>{y, bias, 1});
}
