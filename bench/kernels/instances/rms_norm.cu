// families: prelude vectors elementwise rms_norm
// precisions: both
#define NORM extern "C" __global__ void __launch_bounds__(256, 1)
#define INSTANCE(WIDTH)                                                                                                                                    \
    NORM norm_##WIDTH(const float* x, const float* gain, element* y, float* rstd, Rows rows, float epsilon) { rms_norm_fwd<WIDTH>(x, gain, y, rstd, rows, epsilon); } \
    NORM add_##WIDTH(const float* x, const element* a, const float* gain, float* sum, element* y, float* rstd, Rows rows, float epsilon) {                 \
        rms_norm_add_fwd<WIDTH>(x, a, gain, sum, y, rstd, rows, epsilon);                                                                                  \
    }                                                                                                                                                      \
    NORM gather_##WIDTH(const float* x, const int* selected, const float* gain, float* gathered, element* y, float* rstd, Rows rows, float epsilon) {      \
        rms_norm_gather_fwd<WIDTH, 2048, 256>(x, selected, gain, gathered, y, rstd, rows, epsilon);                                                        \
    }                                                                                                                                                      \
    NORM bwd_##WIDTH(const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx, element* dx_narrow, float* partials, Rows rows) { \
        rms_norm_bwd<WIDTH, element, true, true>(dy, x, gain, rstd, residual, dx, dx_narrow, partials, rows);                                              \
    }                                                                                                                                                      \
    NORM bwd_apart_##WIDTH(const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx, element* dx_narrow, float* partials, Rows rows) { \
        rms_norm_bwd<WIDTH, element, true, true, true>(dy, x, gain, rstd, residual, dx, dx_narrow, partials, rows);                                        \
    }                                                                                                                                                      \
    NORM bwd_alone_##WIDTH(const float* dy, const float* x, const float* gain, const float* rstd, float* dx, float* partials, Rows rows) {                 \
        rms_norm_bwd<WIDTH, float, false, false>(dy, x, gain, rstd, nullptr, dx, nullptr, partials, rows);                                                 \
    }
INSTANCE(1024)
INSTANCE(4096)
INSTANCE(192)
INSTANCE(250)
INSTANCE(33)
NORM gather_rows_of_a_call(const float* x, const int* entered, const float* gain, float* gathered, element* y, Rows rows, float epsilon) {
    rms_norm_gather_fwd<1024, 0, 0>(x, entered, gain, gathered, y, nullptr, rows, epsilon);
}
