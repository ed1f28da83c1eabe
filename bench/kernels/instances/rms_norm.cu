// families: prelude rms_norm
extern "C" __global__ void __launch_bounds__(256, 2) add_norm_score(RmsNormForward p) { rms_norm_fwd<1024, true, false, true>(p); }
extern "C" __global__ void __launch_bounds__(256, 2) gather_norm(RmsNormForward p) { rms_norm_fwd<768, false, true, false>(p); }
extern "C" __global__ void __launch_bounds__(128, 1) gather_norm_bwd(RmsNormBackward p) { rms_norm_bwd<1024, true, 128>(p); }
extern "C" __global__ void __launch_bounds__(256) gain_gradient(const float* partials, float* gradient, int blocks) {
    rms_norm_gain_gradient<1024>(partials, gradient, blocks);
}
