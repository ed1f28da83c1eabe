// families: prelude vectors routing
// precisions: both
#define FLAT extern "C" __global__ void __launch_bounds__(256, 1)
FLAT scores(const float* x, const float* w, float* scores, Rows rows) { router_scores<1024>(x, w, scores, rows); }
FLAT scores_narrow(const float* x, const float* w, float* scores, Rows rows, element* narrow) { router_scores<1024, true>(x, w, scores, rows, narrow); }
FLAT scores_odd(const float* x, const float* w, float* scores, Rows rows) { router_scores<33>(x, w, scores, rows); }
FLAT back(const float* x, const float* w, const float* dscores, float* dx, element* narrow, float* partials, Rows rows) {
    router_bwd<1024, true>(x, w, dscores, dx, narrow, partials, rows);
}
FLAT random(const int* positions, float* scores, const u64* draw, Rows rows) { random_scores<2048>(positions, scores, draw, 3, 0.875f, rows); }
FLAT identity(const float* scores, const int* selected, float* g, Rows rows) { gates<Gate::Identity, 2048, 256>(scores, selected, g, rows); }
FLAT sigmoid_of_rows(const float* scores, const int* entered, float* g, Rows rows) { gates<Gate::Sigmoid, 0, 0>(scores, entered, g, rows); }
FLAT tanh_back(const float* g, const float* dg, const int* selected, float* dscores, Rows rows) { gate_bwd<Gate::Tanh, 96, 7>(g, dg, selected, dscores, rows); }
FLAT loss_back(const float* logits, const int* selected, const float* scale, float* dlogits, int rows) {
    routing_loss_bwd<2048, 256, true>(logits, selected, scale, 0.01f, dlogits, rows);
}
FLAT loss(const float* logits, const int* selected, float* partials, Rows rows) { routing_loss<2048, 256>(logits, selected, partials, rows); }
FLAT scores_back(const float* g, const float* dg, const float* scores, const int* selected, const float* scale, float* dscores, int rows) {
    scores_bwd<Gate::Sigmoid, 2048, 256>(g, dg, scores, selected, scale, 0.01f, dscores, rows);
}
