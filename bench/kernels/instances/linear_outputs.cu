// families: prelude vectors linear_stores elementwise linear_outputs
// precisions: both
#define INSTANCE(OUTPUTS, INPUTS)                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(256, 1) forward_##OUTPUTS##x##INPUTS(const element* x, const element* w, const float* bias, float* y, Rows rows) { \
        linear_outputs<OUTPUTS, INPUTS>(x, w, rows, StoreBias<float>{y, bias, OUTPUTS});                                                             \
    }                                                                                                                                                \
    extern "C" __global__ void __launch_bounds__(256, 1) add_##OUTPUTS##x##INPUTS(const element* x, const element* w, const element* residual, element* y, Rows rows) { \
        linear_outputs<OUTPUTS, INPUTS>(x, w, rows, AddTo<element, element>{residual, y, OUTPUTS});                                                  \
    }                                                                                                                                                \
    extern "C" __global__ void __launch_bounds__(256, 1) dgrad_##OUTPUTS##x##INPUTS(const element* dy, const element* w, element* dx, Rows rows) {   \
        linear_outputs_dgrad<OUTPUTS, INPUTS>(dy, w, dx, rows);                                                                                      \
    }                                                                                                                                                \
    extern "C" __global__ void __launch_bounds__(256, 1) wgrad_##OUTPUTS##x##INPUTS(const element* dy, const element* x, float* partials, Rows rows) { \
        linear_outputs_wgrad<OUTPUTS, INPUTS>(dy, x, partials, rows);                                                                                \
    }
INSTANCE(1, 64)
INSTANCE(8, 1024)
INSTANCE(3, 33)
