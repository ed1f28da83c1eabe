// families: prelude sampling_rows
extern "C" __global__ void __launch_bounds__(1024, 1) enter(const float* logits, const int* positions, const int* sequences, const int* use_forced, const int* forced,
                                                         int* entered, int* entered_positions, int* entered_sequences, int* active, int* flags, Rows rows) {
    causal_select(logits, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, rows);
}
