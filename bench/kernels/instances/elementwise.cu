// families: prelude vectors elementwise
// precisions: both
#define FLAT extern "C" __global__ void __launch_bounds__(256, 1)
#define INSTANCE(WIDTH)                                                                                                                \
    FLAT add_##WIDTH(const float* a, const element* b, float* sum, Rows rows) { add<WIDTH>(a, b, sum, rows); }                         \
    FLAT add_elements_##WIDTH(const element* a, const element* b, element* sum, Rows rows) { add<WIDTH>(a, b, sum, rows); }            \
    FLAT narrow_##WIDTH(const float* x, element* y, Rows rows) { narrow<WIDTH>(x, y, rows); }                                          \
    FLAT silu_##WIDTH(const element* x, element* y, Rows rows) { silu_fwd<WIDTH>(x, y, rows); }                                        \
    FLAT silu_bwd_##WIDTH(const element* x, const element* dy, element* dx, Rows rows) { silu_bwd<WIDTH>(x, dy, dx, rows); }           \
    FLAT swiglu_##WIDTH(const element* gate_up, element* hidden, Rows rows) { swiglu_fwd<WIDTH>(gate_up, hidden, rows); }              \
    FLAT swiglu_bwd_##WIDTH(const element* gate_up, const element* d, element* d_gate_up, Rows rows) { swiglu_bwd<WIDTH>(gate_up, d, d_gate_up, rows); } \
    FLAT sums_##WIDTH(const element* dy, float* partials, Rows rows) { column_sums<WIDTH>(dy, partials, rows); }
INSTANCE(2816)
INSTANCE(36)
INSTANCE(250)
INSTANCE(33)
FLAT partials(const float* partials, float* gradient, int width, int blocks, int add) { add_column_partials(partials, gradient, width, blocks, add); }
FLAT turn(element* x, const int* positions, const float2* table, Rows rows) { rotary<20, 64, 1536, false>(x, positions, table, rows); }
FLAT turn_back(element* x, const int* positions, const float2* table, Rows rows) { rotary<3, 6, 27, true>(x, positions, table, rows); }
