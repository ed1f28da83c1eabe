// families: prelude vectors routing sampling_rows sampling_weights sampling_head sampling_search sample_tokens
#define INSTANCE(VOCABULARY)                                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(512, 1) sample_##VOCABULARY(float* logits, const int* slots, const SamplingSettings* settings, const int* counts, u32* seen, \
                                                                             int* chosen, Rows rows) {                                                             \
        sample_tokens<VOCABULARY>(logits, slots, settings, counts, seen, chosen, rows);                                                                            \
    }
INSTANCE(257)
INSTANCE(32768)
INSTANCE(128256)
