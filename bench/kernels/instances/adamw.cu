// families: prelude vectors adamw
// precisions: both
extern "C" __global__ void __launch_bounds__(512, 1) gradient_norm(const float* g, i64 count, float* partials, u32* ticket, float* norm) {
    global_norm<512>(g, count, partials, ticket, norm);
}
extern "C" __global__ void __launch_bounds__(256, 1) update(AdamW p) { adamw<256, 2, false>(p); }
extern "C" __global__ void __launch_bounds__(256, 1) update_and_clear(AdamW p) { adamw<256, 2, true>(p); }
