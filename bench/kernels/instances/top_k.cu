// families: prelude top_k
extern "C" __global__ void __launch_bounds__(1024, 1) route(const float* scores, int* selected) { top_k<2048, 256>(scores, selected); }
extern "C" __global__ void __launch_bounds__(1024, 1) route_long(const float* scores, int* selected) { top_k<57000, 7>(scores, selected); }
