// families: sampling_rows
#include "values.h"

void check(int rows, int spare, int use_forced) {
    int most = rows + spare;
    auto logits = Values<float>(most).random();
    auto positions = Values<int>(most).random_below(1000), sequences = Values<int>(most).random_below(9), forced = Values<int>(most).random_below(2);
    Values<int> entered(most), entered_positions(most), entered_sequences(most), active(1), flags(most), force({use_forced});
    if (rows > 3) logits[2] = NAN, logits[3] = 0.0f, logits[0] = -0.0f;
    std::vector<int> want, want_positions, want_sequences, want_flags;
    for (int row = 0; row < rows; row++) {
        want_flags.push_back(use_forced ? forced[row] : logits[row] > 0.0f);
        if (!want_flags.back()) continue;
        want.push_back(row);
        want_positions.push_back(positions[row]);
        want_sequences.push_back(sequences[row]);
    }
    emulator::launch(1, 1024, [&] {
        causal_select(logits.data(), positions.data(), sequences.data(), force.data(), forced.data(), entered.data(), entered_positions.data(), entered_sequences.data(),
                      active.data(), flags.data(), Rows{&rows, most});
    });
    std::string name = std::to_string(rows) + (use_forced ? " rows by force" : " rows");
    hold_equal("which enter of " + name, entered, want);
    hold_equal("positions of " + name, entered_positions, want_positions);
    hold_equal("sequences of " + name, entered_sequences, want_sequences);
    hold_equal("flags of " + name, flags, want_flags);
    hold_equal("how many of " + name, active, {int(want.size())});
}

int main() {
    for (int use_forced : {0, 1}) {
        check(1, 0, use_forced);
        check(40, 7, use_forced);
        check(1024, 0, use_forced);
        check(2500, 60, use_forced);
        check(0, 3, use_forced);
    }
    return failures == 0 ? 0 : 1;
}
