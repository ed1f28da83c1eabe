// families: cross_entropy
// precisions: both
#include "values.h"

template <int Vocabulary, int Threads> void check(int rows, float deviation) {
    std::string name = std::to_string(rows) + " x " + std::to_string(Vocabulary) + (deviation > 10.0f ? " far apart" : "");
    auto logits = Values<element>(i64(rows) * Vocabulary).random(deviation);
    auto targets = Values<int>(rows).random_below(Vocabulary);
    for (int row = 2; row < rows; row += 5) targets[row] = -1;
    Values<float> losses(rows), alone(rows), scale({0.25f});
    std::vector<double> want, back;
    for (int row = 0; row < rows; row++) {
        const element* x = logits.data() + i64(row) * Vocabulary;
        double highest = -1e300, sum = 0.0;
        for (int i = 0; i < Vocabulary; i++) highest = std::max(highest, as_double(x[i]));
        for (int i = 0; i < Vocabulary; i++) sum += exp(as_double(x[i]) - highest);
        want.push_back(targets[row] < 0 ? 0.0 : highest + log(sum) - as_double(x[targets[row]]));
        for (int i = 0; i < Vocabulary; i++) back.push_back(targets[row] < 0 ? 0.0 : 0.25 * (exp(as_double(x[i]) - highest) / sum - (i == targets[row])));
    }
    auto before = logits;
    emulator::launch(rows, Threads, [&] { cross_entropy<Vocabulary, Threads, false>(logits.data(), targets.data(), alone.data(), nullptr); });
    hold("cross-entropy " + name + " alone", alone, want, 3e-7);
    expect("cross-entropy " + name + " leaves the logits", logits == before);
    emulator::launch(rows, Threads, [&] { cross_entropy<Vocabulary, Threads, true>(logits.data(), targets.data(), losses.data(), scale.data()); });
    hold("cross-entropy " + name, losses, want, 3e-7);
    hold("cross-entropy " + name + " gradient", logits, back);

    if constexpr (Vocabulary <= 1024) {
        auto small = before, untouched = before;
        Values<float> small_losses(rows), small_alone(rows);
        int blocks = ceil_div(rows, 8);
        emulator::launch(blocks, 256, [&] { cross_entropy_rows<Vocabulary, false>(untouched.data(), targets.data(), small_alone.data(), nullptr, rows); });
        emulator::launch(blocks, 256, [&] { cross_entropy_rows<Vocabulary, true>(small.data(), targets.data(), small_losses.data(), scale.data(), rows); });
        hold("cross-entropy, a warp a row, " + name, small_losses, want, 3e-7);
        hold("cross-entropy, a warp a row, " + name + " gradient", small, back);
        expect("cross-entropy, a warp a row, " + name + " alone", small_alone == small_losses && untouched == before);
    }

    logits = before;
    logits[Vocabulary - 1] = from_float<element>(NAN);
    for (i64 i = 2 * i64(Vocabulary); rows > 2 && i < 3 * i64(Vocabulary); i++) logits[i] = from_float<element>(NAN);
    targets[0] = 0;
    emulator::launch(rows, Threads, [&] { cross_entropy<Vocabulary, Threads, true>(logits.data(), targets.data(), losses.data(), scale.data()); });
    expect("cross-entropy " + name + " shows NaN where it counts", is_unwritten(losses[0]) && is_unwritten(logits[0]) && !(rows > 2 && (losses[2] != 0.0f || as_double(logits[2 * i64(Vocabulary)]) != 0.0)));
}

int main() {
    check<256, 256>(6, 3.0f);
    check<257, 256>(9, 3.0f);
    check<50257, 1024>(3, 2.0f);
    check<30001, 512>(2, 2.0f);
    check<1000, 256>(4, 30.0f);
    check<5, 256>(11, 2.0f);
    check<2, 32>(7, 2.0f);
    check<66003, 1024>(2, 2.0f);
    for (int rows : {1, 3000}) {
        auto losses = Values<float>(rows).random(0.5f, 3.0f);
        Values<float> inverse({0.125f}), loss(1);
        std::vector<double> want(1);
        for (int i = 0; i < rows; i++) want[0] += 0.125 * losses[i];
        emulator::launch(1, 1024, [&] { sum_losses(losses.data(), rows, inverse.data(), loss.data()); });
        hold("sum of losses " + std::to_string(rows), loss, want);
    }
    return failures == 0 ? 0 : 1;
}
