// families: prelude vectors elementwise routing rms_norm rms_norm_routed
// precisions: both
#define NORM extern "C" __global__ void __launch_bounds__(256, 1)
#define INSTANCE(WIDTH)                                                                                                                                    \
    NORM passing_##WIDTH(const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, float* dx, element* dx_narrow,    \
                         const float* scores, const int* selected, int entered, const float* scale, float weight, const float* w, float* partials,        \
                         float* router_partials, Rows rows) {                                                                                              \
        rms_norm_bwd_passing<WIDTH, element, true, true, 2048>(dy, x, gain, rstd, residual, dx, dx_narrow, scores, selected, entered, scale, weight, w,    \
                                                               partials, router_partials, rows);                                                           \
    }                                                                                                                                                      \
    NORM passing_alone_##WIDTH(const float* dy, const float* x, const float* gain, const float* rstd, float* dx, const float* scores, const int* selected, \
                               int entered, const float* scale, float weight, const float* w, float* partials, float* router_partials, Rows rows) {        \
        rms_norm_bwd_passing<WIDTH, float, false, false, 96>(dy, x, gain, rstd, nullptr, dx, nullptr, scores, selected, entered, scale, weight, w, partials, router_partials, rows); \
    }                                                                                                                                                      \
    NORM entered_##WIDTH(const element* dy, const float* x, const float* gain, const float* rstd, const float* residual, const int* selected,              \
                         const float* gates, const float* dgates, const float* scores, const float* scale, float weight, const float* w, float* dx,        \
                         element* dx_narrow, float* partials, float* router_partials, Rows rows) {                                                         \
        rms_norm_bwd_entered<WIDTH, element, Gate::Sigmoid, 2048, 256, true, true>(dy, x, gain, rstd, residual, selected, gates, dgates, scores, scale, weight, w, \
                                                                                   dx, dx_narrow, partials, router_partials, rows);                        \
    }                                                                                                                                                      \
    NORM scores_##WIDTH(const float* x, const float* w, float* scores, const float* gain, element* y, float* rstd, Rows rows, float epsilon) {             \
        router_scores_norm<WIDTH>(x, w, scores, gain, y, rstd, rows, epsilon);                                                                             \
    }                                                                                                                                                      \
    NORM scores_narrow_##WIDTH(const float* x, const float* w, float* scores, element* narrow, const float* gain, element* y, float* rstd, Rows rows, float epsilon) { \
        router_scores_norm<WIDTH, true>(x, w, scores, gain, y, rstd, rows, epsilon, narrow);                                                               \
    }                                                                                                                                                      \
    NORM return_##WIDTH(float* x, const int* selected, const element* f, const float* gates, const float* gain, element* y, float* rstd, Rows rows, float epsilon) { \
        scatter_add_norm<WIDTH, 2048, 256, element, true>(x, selected, f, gates, gain, y, rstd, rows, epsilon);                                            \
    }
INSTANCE(1024)
INSTANCE(4096)
INSTANCE(8192)
INSTANCE(192)
INSTANCE(250)
INSTANCE(33)
