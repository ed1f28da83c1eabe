// families: top_k
#include "values.h"

template <int Length, int Selected> void check(const std::string& what, int sequences, std::function<float(u32)> score) {
    Values<float> scores(i64(sequences) * Length);
    Values<int> selected(i64(sequences) * Selected);
    for (i64 i = 0; i < scores.size(); i++) scores[i] = score(emulator::chance());
    std::vector<int> want;
    for (int s = 0; s < sequences; s++) {
        std::vector<int> order(static_cast<size_t>(Length));
        const float* x = scores.data() + i64(s) * Length;
        for (int i = 0; i < Length; i++) order[size_t(i)] = i;
        std::sort(order.begin(), order.end(), [&](int a, int b) {
            bool no_a = std::isnan(x[a]), no_b = std::isnan(x[b]);
            return no_a != no_b ? no_b : !no_a && x[a] != x[b] ? x[a] > x[b] : a < b;
        });
        std::sort(order.begin(), order.begin() + Selected);
        want.insert(want.end(), order.begin(), order.begin() + Selected);
    }
    emulator::launch(sequences, 1024, [&] { top_k<Length, Selected>(scores.data(), selected.data()); });
    hold_equal("top " + std::to_string(Selected) + " of " + std::to_string(Length) + " " + what, selected, want);
}

template <int Length, int Selected> void check_all(int sequences) {
    const float awkward[] = {0.0f, -0.0f, 1.0f, 1.0f, -1.0f, INFINITY, -INFINITY, 1e-40f, -1e-40f, 3.5f, NAN, -NAN};
    check<Length, Selected>("numbers", sequences, [](u32 r) { return float(int(r)) * 1e-9f; });
    check<Length, Selected>("awkward", sequences, [&](u32 r) { return awkward[r % 12]; });
    check<Length, Selected>("few values", sequences, [](u32 r) { return float(r % 3); });
    check<Length, Selected>("near ties", sequences, [](u32 r) { return bits_as<float>(0x3f800000u + r % 40); });
    check<Length, Selected>("equal", sequences, [](u32) { return -0.25f; });
    check<Length, Selected>("NaN", sequences, [](u32) { return NAN; });
}

int main() {
    check_all<2048, 256>(2);
    check_all<96, 7>(3);
    check_all<1, 1>(2);
    check_all<33, 33>(2);
    check_all<1025, 1>(1);
    check_all<3001, 1500>(1);
    check<57000, 9000>("numbers", 1, [](u32 r) { return float(int(r)) * 1e-9f; });
    check<57000, 56999>("few values", 1, [](u32 r) { return float(r % 2); });
    return failures == 0 ? 0 : 1;
}
