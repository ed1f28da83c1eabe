// families: prelude vectors rows
// precisions: both
#define ROWS extern "C" __global__ void __launch_bounds__(256, 1)
#define INSTANCE(WIDTH)                                                                                                                                         \
    ROWS gather_##WIDTH(const float* x, const int* selected, float* y, Rows rows) { gather_rows<WIDTH, 2048, 256>(x, selected, y, rows); }                      \
    ROWS gated_##WIDTH(const float* x, const int* selected, const element* f, const float* gates, float* y, Rows rows) {                                        \
        scatter_add_scaled<WIDTH, 2048, 256, element, true, false>(x, selected, f, gates, y, rows);                                                             \
    }                                                                                                                                                           \
    ROWS gated_in_place_##WIDTH(float* x, const int* entered, const float* f, const float* gates, Rows rows) {                                                  \
        scatter_add_scaled<WIDTH, 0, 0, float, true, true>(x, entered, f, gates, x, rows);                                                                      \
    }                                                                                                                                                           \
    ROWS scatter_##WIDTH(const float* y, const int* selected, float* into, Rows rows) { scatter_add<WIDTH, 2048, 256>(y, selected, into, rows); }               \
    ROWS narrow_##WIDTH(const float* x, const int* selected, element* y, Rows rows) { narrow_rows<WIDTH, 2048, 256>(x, selected, y, rows); }                    \
    ROWS back_##WIDTH(const float* dy, const int* selected, const element* f, const float* gates, float* df, element* df_narrow, float* dgates, Rows rows) {    \
        gather_scale_bwd<WIDTH, 2048, 256, element, true, true>(dy, selected, f, gates, df, df_narrow, dgates, rows);                                           \
    }
INSTANCE(1024)
INSTANCE(2048)
INSTANCE(33)
