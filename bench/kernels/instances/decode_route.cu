// families: prelude vectors routing decode_route
// precisions: both
#define INSTANCE(WIDTH, KIND)                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(1024) route_##WIDTH(const float* x, const float* w, const float* logits, const int* positions, const int* sequences, \
            const int* use_forced, const int* forced, int* entered, int* entered_positions, int* entered_sequences, int* active, int* flags, float* gates, Rows rows) { \
        decode_route<WIDTH, Gate::KIND>(x, w, logits, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, gates, rows); }
INSTANCE(1024, Identity)
INSTANCE(6, Sigmoid)
INSTANCE(192, Tanh)
