// families: routing elementwise
// precisions: both
#include "values.h"

template <class T> Values<T> some(i64 count, float deviation = 1.0f) { return Values<T>(count).random(deviation); }

template <int Width> void check_router(int rows, int blocks) {
    std::string name = std::to_string(rows) + " x " + std::to_string(Width);
    auto x = some<float>(i64(rows) * Width), w = some<float>(Width), d = some<float>(rows), dx = some<float>(i64(rows) * Width), gradient = some<float>(Width);
    for (int row = 0; row < rows; row += 3) d[row] = 0.0f;
    Values<float> scores(rows), partials(i64(blocks) * Width);
    std::vector<double> want(static_cast<size_t>(rows)), back = dx.wide(), dw = gradient.wide();
    for (i64 i = 0; i < x.size(); i++) {
        want[size_t(i / Width)] += double(x[i]) * w[i % Width];
        back[size_t(i)] += double(d[i / Width]) * w[i % Width];
        dw[size_t(i % Width)] += double(d[i / Width]) * x[i];
    }
    Rows all{nullptr, rows};
    auto dx_too = dx, gradient_too = gradient;
    Values<element> narrow(dx.size());
    emulator::launch(ceil_div(rows, 8), 256, [&] { router_scores<Width>(x.data(), w.data(), scores.data(), all); });
    hold("router " + name, scores, want);
    Values<float> scores_too(rows);
    Values<element> rounded(x.size());
    emulator::launch(ceil_div(rows, 8), 256, [&] { router_scores<Width, true>(x.data(), w.data(), scores_too.data(), all, rounded.data()); });
    hold("router " + name + " narrow", rounded, x.wide());
    expect("router " + name + " with and without narrow", scores_too == scores);
    emulator::launch(blocks, 256, [&] { router_bwd<Width, false>(x.data(), w.data(), d.data(), dx.data(), nullptr, partials.data(), all); });
    emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), gradient.data(), Width, blocks, 1); });
    hold("router back " + name, dx, back);
    hold("router back " + name + " weight", gradient, dw);
    emulator::launch(blocks, 256, [&] { router_bwd<Width, true>(x.data(), w.data(), d.data(), dx_too.data(), narrow.data(), partials.data(), all); });
    emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), gradient_too.data(), Width, blocks, 1); });
    hold("router back " + name + " narrow", narrow, back);
    expect("router back " + name + " with and without narrow", dx_too == dx && gradient_too == gradient);
}

template <Gate Kind, int Length, int Selected> void check_gates(int sequences) {
    int rows = sequences * Selected, stream_rows = sequences * Length;
    std::string name = (Kind == Gate::Identity ? "identity" : Kind == Gate::Sigmoid ? "sigmoid" : "tanh") + (" " + std::to_string(rows));
    auto scores = some<float>(stream_rows, 3.0f), dgates = some<float>(rows);
    auto selected = some_selection(sequences, Length, Selected);
    Values<float> g(rows), dscores(stream_rows);
    std::vector<double> want, back(static_cast<size_t>(stream_rows));
    for (int i = 0; i < rows; i++) {
        int at = i / Selected * Length + selected[i];
        double r = scores[at], s = 1.0 / (1.0 + exp(-r));
        want.push_back(Kind == Gate::Identity ? r : Kind == Gate::Sigmoid ? s : tanh(r));
        back[size_t(at)] = dgates[i] * (Kind == Gate::Identity ? 1.0 : Kind == Gate::Sigmoid ? s * (1.0 - s) : 1.0 - tanh(r) * tanh(r));
    }
    emulator::launch(ceil_div(rows, 256), 256, [&] { gates<Kind, Length, Selected>(scores.data(), selected.data(), g.data(), Rows{nullptr, rows}); });
    hold("gate " + name, g, want, 2e-7);
    emulator::launch(ceil_div(stream_rows, 256), 256, [&] { gate_bwd<Kind, Length, Selected>(g.data(), dgates.data(), selected.data(), dscores.data(), Rows{nullptr, stream_rows}); });
    hold("gate back " + name, dscores, back);
}

template <int Length, int Selected> void check_loss(int sequences, float deviation) {
    int rows = sequences * Length;
    std::string name = std::to_string(rows) + (deviation > 10.0f ? " far from 0" : "");
    auto logits = some<float>(rows, deviation);
    auto selected = some_selection(sequences, Length, Selected);
    auto d = some<float>(rows);
    Values<float> loss(1), only(rows), scale({0.5f});
    std::vector<double> member(static_cast<size_t>(rows)), want(1), back, added;
    for (int i = 0; i < sequences * Selected; i++) member[size_t(i / Selected * Length + selected[i])] = 1.0;
    for (int row = 0; row < rows; row++) {
        double x = logits[row];
        want[0] += (std::max(x, 0.0) + log1p(exp(-std::abs(x))) - member[size_t(row)] * x) / rows;
        back.push_back((1.0 / (1.0 + exp(-x)) - member[size_t(row)]) * 0.5 * 0.01f / rows);
        added.push_back(back.back() + d[row]);
    }
    auto launch_loss = [&](int blocks) {
        Values<float> partials(blocks);
        emulator::launch(blocks, 256, [&] { routing_loss<Length, Selected>(logits.data(), selected.data(), partials.data(), Rows{nullptr, rows}); });
        emulator::launch(1, 256, [&] { add_column_partials(partials.data(), loss.data(), 1, blocks, 0); });
    };
    launch_loss(3);
    hold("routing loss " + name, loss, want);
    emulator::launch(ceil_div(rows, 256), 256, [&] { routing_loss_bwd<Length, Selected, false>(logits.data(), selected.data(), scale.data(), 0.01f, only.data(), rows); });
    hold("routing loss back " + name, only, back);
    emulator::launch(ceil_div(rows, 256), 256, [&] { routing_loss_bwd<Length, Selected, true>(logits.data(), selected.data(), scale.data(), 0.01f, d.data(), rows); });
    hold("routing loss back, added " + name, d, added);
    auto gate = some<float>(sequences * Selected), dgate = some<float>(sequences * Selected);
    Values<float> apart(rows), together(rows);
    emulator::launch(ceil_div(rows, 256), 256, [&] { gate_bwd<Gate::Sigmoid, Length, Selected>(gate.data(), dgate.data(), selected.data(), apart.data(), Rows{nullptr, rows}); });
    emulator::launch(ceil_div(rows, 256), 256, [&] { routing_loss_bwd<Length, Selected, true>(logits.data(), selected.data(), scale.data(), 0.01f, apart.data(), rows); });
    emulator::launch(ceil_div(rows, 256), 256, [&] {
        scores_bwd<Gate::Sigmoid, Length, Selected>(gate.data(), dgate.data(), logits.data(), selected.data(), scale.data(), 0.01f, together.data(), rows);
    });
    expect("scores back " + name + " as gate and loss back", together == apart);
    logits[rows / 2] = NAN;
    launch_loss(1);
    expect("routing loss shows NaN " + name, is_unwritten(loss[0]));
}

// RandomRouter.Scores of the CPU, number by number.
template <int Length> void check_random(int rows) {
    auto hash = [](u64 z) {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    };
    u64 draw = 0x123456789abcdef0ull;
    auto positions = Values<int>(rows).random_below(5000);
    Values<float> scores(rows), want(rows);
    for (int row = 0; row < rows; row++) {
        u64 sequence = Length ? u64(row / (Length ? Length : 1)) : 0, key = hash(hash(draw + 11 * 0x9E3779B97F4A7C15ull) + sequence);
        want[row] = float(hash(key + u64(positions[row]) * 0x9E3779B97F4A7C15ull) >> 40) * (1.0f / (1 << 24)) - 0.875f;
    }
    emulator::launch(ceil_div(rows, 256), 256, [&] { random_scores<Length>(positions.data(), scores.data(), &draw, 11, 0.875f, Rows{nullptr, rows}); });
    expect("random scores " + std::to_string(rows), scores == want);
}

int main() {
    check_router<256>(41, 3);
    check_router<33>(70, 2);
    check_router<1280>(13, 5);
    check_router<5000>(9, 2);
    check_gates<Gate::Identity, 40, 7>(30);
    check_gates<Gate::Sigmoid, 33, 33>(70);
    check_gates<Gate::Tanh, 21, 1>(101);
    check_loss<40, 7>(60, 2.0f);
    check_loss<1500, 1>(1, 60.0f);
    check_random<100>(2500);
    check_random<0>(17);
    return failures == 0 ? 0 : 1;
}
