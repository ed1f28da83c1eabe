// families: prelude sampling_rows
extern "C" __global__ void __launch_bounds__(1024, 1) enter(const float* logits, const int* positions, const int* sequences, const int* use_forced, const int* forced,
                                                         int* entered, int* entered_positions, int* entered_sequences, int* active, int* flags, Rows rows) {
    causal_select(logits, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, rows);
}
extern "C" __global__ void __launch_bounds__(1024, 1) next(const int* chosen, const SamplingSettings* settings, const int* limits, int* counts, int* texts, int* finish,
                                                        int* tokens, int* positions, int* slots, int* active) {
    next_rows<2048>(chosen, settings, limits, counts, texts, finish, tokens, positions, slots, active);
}
