// families: routing decode_route
#include "values.h"

// Against float64; where a row's own score decides, none is near 0.
template <int Width, Gate Kind> void check(int rows, int most, bool predicted, int use_forced) {
    auto x = Values<float>(most * Width).random(), w = Values<float>(Width).random(), logits = Values<float>(most).random();
    auto positions = Values<int>(most).random_below(1000), sequences = Values<int>(most).random_below(9), forced = Values<int>(most).random_below(2);
    Values<int> entered(most), entered_positions(most), entered_sequences(most), active(1), flags(most), force({use_forced});
    if (rows > 3) logits[2] = NAN, logits[3] = 0.0f;
    std::vector<float> gates(most, NAN);
    std::vector<int> want, want_positions, want_sequences, want_flags;
    std::vector<double> want_gates;
    for (int row = 0; row < rows; row++) {
        double score = 0.0;
        for (int c = 0; c < Width; c++) score += double(x[row * Width + c]) * w[c];
        want_flags.push_back(use_forced ? forced[row] : predicted ? logits[row] > 0.0f : score > 0.0);
        if (!want_flags.back()) continue;
        want.push_back(row);
        want_positions.push_back(positions[row]);
        want_sequences.push_back(sequences[row]);
        want_gates.push_back(Kind == Gate::Identity ? score : Kind == Gate::Sigmoid ? 1.0 / (1.0 + exp(-score)) : tanh(score));
    }
    // The gates may lie where the predictor's logits did.
    float* out = predicted ? logits.data() : gates.data();
    emulator::launch(1, 1024, [&] {
        decode_route<Width, Kind>(x.data(), w.data(), predicted ? logits.data() : nullptr, positions.data(), sequences.data(), force.data(), forced.data(), entered.data(),
                                  entered_positions.data(), entered_sequences.data(), active.data(), flags.data(), out, Rows{&rows, most});
    });
    std::string name = std::to_string(rows) + (use_forced ? " rows by force" : predicted ? " rows by prediction" : " rows");
    hold_equal("which enter of " + name, entered, want);
    hold_equal("positions of " + name, entered_positions, want_positions);
    hold_equal("sequences of " + name, entered_sequences, want_sequences);
    hold_equal("flags of " + name, flags, want_flags);
    hold_equal("how many of " + name, active, {int(want.size())});
    if (!want_gates.empty()) hold("gates of " + name, std::vector<float>(out, out + want_gates.size()), want_gates, 2e-6, [](size_t) { return true; });
}

int main() {
    for (int use_forced : {0, 1})
        for (bool predicted : {false, true}) {
            check<192, Gate::Sigmoid>(1, 1, predicted, use_forced);
            check<1024, Gate::Identity>(32, 32, predicted, use_forced);
            check<6, Gate::Tanh>(19, 24, predicted, use_forced);
            check<64, Gate::Identity>(0, 8, predicted, use_forced);
        }
    return failures == 0 ? 0 : 1;
}
