// families: prelude vectors cross_entropy
// precisions: both
#define INSTANCE(VOCABULARY, THREADS, LEAST)                                                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS, LEAST) loss_and_gradient_##VOCABULARY(element* logits, const int* targets, float* losses, const float* scale) { \
        cross_entropy<VOCABULARY, THREADS, true>(logits, targets, losses, scale);                                                                         \
    }                                                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS, LEAST) loss_##VOCABULARY(element* logits, const int* targets, float* losses) {                         \
        cross_entropy<VOCABULARY, THREADS, false>(logits, targets, losses, nullptr);                                                                      \
    }
INSTANCE(32768, 512, 2)
INSTANCE(50257, 1024, 1)
INSTANCE(128256, 1024, 1)
INSTANCE(257, 256, 1)
INSTANCE(2, 256, 1)
extern "C" __global__ void __launch_bounds__(256, 1) small(element* logits, const int* targets, float* losses, const float* scale, int rows) {
    cross_entropy_rows<257, true>(logits, targets, losses, scale, rows);
}
extern "C" __global__ void __launch_bounds__(1024, 1) sum(const float* losses, int rows, const float* inverse_count, float* loss) { sum_losses(losses, rows, inverse_count, loss); }
