// families: adamw
// precisions: both
#include "values.h"

constexpr AdamWStep Step{1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.0f - 0.4783f, 1.0f - 0.69833f, 0.5f, 1.0f};

template <class T> Values<T> some(i64 count, float deviation = 1.0f) { return Values<T>(count).random(deviation); }

void check(i64 count, std::vector<i64> ends, bool first_decays, bool copy) {
    std::string name = std::to_string(count) + " in " + std::to_string(ends.size()) + " runs";
    auto w = some<float>(count), m = some<float>(count, 0.01f), v = some<float>(count, 0.001f), g = some<float>(count);
    for (i64 i = 0; i < count; i++) v[i] = std::abs(v[i]);
    constexpr int NormBlocks = 3;
    Values<float> norm(1), partials(NormBlocks);
    Values<element> weights(count);
    u32 ticket = 0;
    emulator::launch(NormBlocks, 512, [&] { global_norm<512>(g.data(), count, partials.data(), &ticket, norm.data()); });
    double squares = 0.0;
    for (i64 i = 0; i < count; i++) squares += double(g[i]) * g[i];
    hold("norm of " + name, norm, {sqrt(squares)});
    expect("norm leaves its ticket at zero", ticket == 0);

    AdamW p{w.data(), m.data(), v.data(), g.data(), copy ? weights.data() : nullptr, count, ends.data(), int(ends.size()), first_decays, &Step, norm.data()};
    int blocks = ceil_div(int(count), 2048);
    double scale = Step.gradient_scale * std::min(1.0, Step.clip / (sqrt(squares) * Step.gradient_scale));
    std::vector<double> change, moment1, moment2, rounded;
    auto before = w;
    for (i64 i = 0; i < count; i++) {
        size_t run = 0;
        while (ends[run] <= i) run++;
        double decay = (run % 2 == 0) == first_decays ? Step.decay : 0.0, x = g[i] * scale;
        moment1.push_back(m[i] + (1.0 - Step.beta1) * (x - m[i]));
        moment2.push_back(v[i] + (1.0 - Step.beta2) * (x * x - v[i]));
        change.push_back(-Step.learning_rate * (moment1.back() / Step.correction1 / (sqrt(moment2.back() / Step.correction2) + Step.epsilon) + decay * w[i]));
    }
    emulator::launch(blocks, 256, [&] { adamw<256, 2, true>(p); });
    Values<float> changed(count);
    for (i64 i = 0; i < count; i++) {
        changed[i] = w[i] - before[i];
        rounded.push_back(as_double(from_float<element>(w[i])));
    }
    hold("weights of " + name, changed, change, 1e-4);  // float32 rounding of the weights, a thousand times their change
    hold("first moments of " + name, m, moment1);
    hold("second moments of " + name, v, moment2);
    if (copy) hold("operands of " + name, weights, rounded, 0.0);
    bool cleared = true;
    for (i64 i = 0; i < count; i++) cleared &= g[i] == 0.0f;
    expect("gradient of " + name + " is cleared", cleared);

    before = w;
    auto m_before = m, v_before = v;
    norm[0] = NAN;
    emulator::launch(blocks, 256, [&] { adamw<256, 2, false>(p); });
    expect("a norm that is not finite changes nothing of " + name, w == before && m == m_before && v == v_before);
}

int main() {
    check(8192, {4097, 4103, 4104, 4105, 8191, 8192}, true, true);
    check(4100, {4100}, true, sizeof(element) == 2);
    check(6000, {1, 2, 2049, 4096, 1000000}, false, true);
    check(4, {3, 4}, false, false);
    return failures == 0 ? 0 : 1;
}
