// families: prelude cross_entropy
extern "C" __global__ void __launch_bounds__(512) loss_and_gradient(CrossEntropy p) { cross_entropy<32768, 512, true>(p); }
extern "C" __global__ void __launch_bounds__(512) loss_only(CrossEntropy p) { cross_entropy<50304, 512, false>(p); }
