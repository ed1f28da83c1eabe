// families: prelude top_k
extern "C" __global__ void __launch_bounds__(1024) route(TopK p) { top_k<2048, 256, true>(p); }
extern "C" __global__ void __launch_bounds__(1024) route_without_predictor(TopK p) { top_k<32768, 4096, false>(p); }
