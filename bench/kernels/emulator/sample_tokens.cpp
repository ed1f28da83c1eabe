// families: routing sampling_rows sampling_weights sampling_head sampling_search sample_tokens
#include "values.h"

// TokenPicker of the CPU, in float64.
struct Picker {
    const SamplingSettings& s;
    std::vector<double> weights(const std::vector<float>& x, float largest) const {
        std::vector<double> w;
        for (float v : x) w.push_back(exp((double(v) - largest) / s.temperature));
        return w;
    }

    int pick(std::vector<float> x, const std::vector<bool>& seen, int position) const {
        int best = -1, size = int(x.size());
        for (int t = 0; t < size; t++) {
            float& v = x[size_t(t)];
            if (seen[size_t(t)]) v = v > 0 ? v / s.repetition_penalty : v * s.repetition_penalty;
            if (std::isnan(v)) v = -INFINITY;
            if (v > -INFINITY && (best < 0 || v > x[size_t(best)])) best = t;
        }
        if (best < 0 || s.temperature == 0 || s.top_k == 1 || x[size_t(best)] == INFINITY) return best;
        auto w = weights(x, x[size_t(best)]);
        std::vector<int> order;
        for (int t = 0; t < size; t++) if (x[size_t(t)] > -INFINITY) order.push_back(t);
        if (s.top_p < 1 || (s.top_k > 0 && s.top_k < size)) {
            std::sort(order.begin(), order.end(), [&](int a, int b) { return x[size_t(a)] != x[size_t(b)] ? x[size_t(a)] > x[size_t(b)] : a < b; });
            if (s.top_k > 0 && s.top_k < int(order.size())) order.resize(size_t(s.top_k));
            double mass = 0.0, reached = 0.0;
            for (int t : order) mass += w[size_t(t)];
            size_t count = 0;
            while (s.top_p < 1 && count < order.size() && reached < double(s.top_p) * mass) reached += w[size_t(order[count++])];
            if (s.top_p < 1) order.resize(std::max<size_t>(count, 1));
        }
        double mass = 0.0;
        for (int t : order) mass += w[size_t(t)];
        double left = uniform(position) * mass;
        for (int t : order) if ((left -= w[size_t(t)]) < 0) return t;
        return order.back();
    }

    // CounterRandom of the CPU.
    double uniform(int position) const {
        auto hash = [](u64 z) { z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull; z = (z ^ (z >> 27)) * 0x94D049BB133111EBull; return z ^ (z >> 31); };
        u64 golden = 0x9E3779B97F4A7C15ull, stream = hash(u64(s.row) ^ hash((u64(position) + golden) ^ hash(0xD1B54A32D192ED03ull)));
        return double(hash(hash(s.seed ^ hash(stream + golden)) + golden) >> 11) * (1.0 / double(1ull << 53));
    }
};

template <int Vocabulary> void check(const std::string& what, SamplingSettings settings, std::function<float(int, float)> logit, int rows = 4) {
    constexpr int Words = (Vocabulary + 31) / 32;
    auto normal = Values<float>(i64(rows) * Vocabulary).random(3.0f), logits = normal;
    Values<int> slots(rows), counts(rows + 2), chosen(rows + 1), want(rows + 1);
    std::vector<SamplingSettings> all(size_t(rows) + 2, settings);
    std::vector<u32> seen(size_t((rows + 2) * Words)), marked;
    for (int i = 0; i < rows + 2; i++) counts[i] = 5 + i, all[size_t(i)].row = i % 3;
    for (auto& w : seen) w = emulator::chance() & emulator::chance();
    marked = seen;
    for (int row = 0; row < rows; row++) {
        int slot = slots[row] = (row + 1) % (rows + 2);
        std::vector<float> x(static_cast<size_t>(Vocabulary));
        std::vector<bool> is_seen(static_cast<size_t>(Vocabulary));
        for (int t = 0; t < Vocabulary; t++) {
            x[size_t(t)] = logits[i64(row) * Vocabulary + t] = logit(t, normal[i64(row) * Vocabulary + t]);
            is_seen[size_t(t)] = seen[size_t(slot * Words + t / 32)] >> (t % 32) & 1;
        }
        int token = want[row] = Picker{all[size_t(slot)]}.pick(x, is_seen, counts[slot]);
        if (token >= 0) marked[size_t(slot * Words + token / 32)] |= 1u << (token % 32);
    }
    emulator::launch(rows + 1, 512, [&] { sample_tokens<Vocabulary>(logits.data(), slots.data(), all.data(), counts.data(), seen.data(), chosen.data(), Rows{&rows, rows + 1}); });
    expect("sampling of " + std::to_string(Vocabulary) + ", " + what, chosen == want && seen == marked);
    chosen.check_guards(what);
}

template <int Vocabulary> void check_all() {
    auto plain = [](int, float x) { return x; };
    auto coarse = [](int, float x) { return roundf(x); };  // equals everywhere
    check<Vocabulary>("greedy", {0.0f, 0, 1.0f, 1.0f, 1, 0}, plain);
    check<Vocabulary>("greedy among equals", {0.0f, 0, 1.0f, 1.3f, 1, 0}, coarse);
    check<Vocabulary>("all", {1.0f, 0, 1.0f, 1.0f, 2, 0}, plain);
    check<Vocabulary>("all, hot, penalty", {2.5f, 0, 1.0f, 1.7f, 3, 0}, coarse);
    check<Vocabulary>("top-k", {0.8f, 20, 1.0f, 1.0f, 4, 0}, plain);
    check<Vocabulary>("top-k among equals", {3.0f, 50, 1.0f, 1.2f, 5, 0}, coarse);
    check<Vocabulary>("top-p", {1.2f, 0, 0.9f, 1.0f, 6, 0}, plain);
    check<Vocabulary>("top-p among equals", {4.0f, 0, 0.55f, 1.0f, 7, 0}, coarse);
    check<Vocabulary>("tiny top-p", {1.0f, 0, 1e-6f, 1.0f, 8, 0}, plain);
    check<Vocabulary>("top-k and top-p", {2.0f, 40, 0.8f, 1.1f, 9, 0}, coarse);
    check<Vocabulary>("top-k of one", {2.0f, 1, 0.8f, 1.0f, 10, 0}, coarse);
    check<Vocabulary>("more than there are", {2.0f, 3 * Vocabulary, 1.0f, 1.0f, 11, 0}, plain);
    check<Vocabulary>("equal logits", {1.0f, 30, 0.7f, 1.0f, 12, 0}, [](int, float) { return -4.0f; });
    check<Vocabulary>("few that can be", {1.0f, 30, 0.9f, 1.0f, 13, 0}, [](int t, float x) { return t % 50 == 3 ? x : t % 2 ? -INFINITY : NAN; });
    check<Vocabulary>("infinite", {1.0f, 0, 0.9f, 1.0f, 14, 0}, [](int t, float x) { return t % 100 == 7 ? INFINITY : x; });
    check<Vocabulary>("none that can be", {1.0f, 5, 0.9f, 1.0f, 15, 0}, [](int t, float) { return t % 2 ? -INFINITY : NAN; }, 2);
}

int main() {
    check_all<257>();
    check_all<600>();
    auto plain = [](int, float x) { return x; };
    check<40000>("many", {1.0f, 200, 0.9f, 1.1f, 16, 0}, plain, 2);
    check<40000>("many, all", {1.0f, 0, 1.0f, 1.0f, 17, 0}, [](int, float x) { return roundf(x); }, 2);
    auto peaked = [](int, float x) { return 8 * x; };
    check<70000>("several stretches a thread, all", {1.5f, 0, 1.0f, 1.2f, 21, 0}, plain, 2);
    check<33001>("by single tokens, all", {1.0f, 0, 1.0f, 1.0f, 22, 0}, plain, 2);
    check<33002>("by twos", {0.7f, 0, 0.95f, 1.1f, 23, 0}, plain, 2);
    check<9000>("peaked, top-k", {0.5f, 60, 1.0f, 1.0f, 24, 0}, peaked, 3);
    check<9000>("peaked, top-p", {0.5f, 0, 0.999f, 1.0f, 25, 0}, peaked, 3);
    check<9000>("more than a first sort, top-k", {1.0f, 1500, 1.0f, 1.0f, 26, 0}, plain, 2);
    check<9000>("more than a first sort, top-p", {1.0f, 0, 0.97f, 1.0f, 27, 0}, plain, 2);
    check<9000>("hardly any temperature", {1e-42f, 0, 0.9f, 1.0f, 28, 0}, plain, 2);
    // More than is sorted: a top-k beyond it, and mass that does not lie in it.
    check<9000>("wide top-k", {3.0f, 6000, 1.0f, 1.0f, 18, 0}, plain, 2);
    check<9000>("wide top-p", {9.0f, 0, 0.95f, 1.0f, 19, 0}, plain, 2);
    check<9000>("all equal", {1.0f, 0, 0.7f, 1.0f, 20, 0}, [](int, float) { return 2.0f; }, 2);
    check<3>("three", {1.0f, 2, 0.9f, 1.0f, 18, 0}, [](int, float x) { return x; }, 9);
    return failures == 0 ? 0 : 1;
}
