// families: elementwise rows routing rms_norm rms_norm_routed
// precisions: both
#include "values.h"

constexpr float Weight = 30.0f;
template <class T> Values<T> some(i64 count, float deviation = 1.0f, float mean = 0.0f) { return Values<T>(count).random(deviation, mean); }

// What both kernels start from: rows to be normed, a gradient of the norm, and what rms_norm_bwd makes of them.
template <int Width, class Dy, bool Add> struct Norm {
    int rows, blocks;
    Values<float> x, gain, rstd, residual, change, gain_gradient;
    Values<Dy> dy;

    Norm(int rows, int blocks)
        : rows(rows), blocks(blocks), x(some<float>(i64(rows) * Width, 2.0f)), gain(some<float>(Width, 0.1f, 1.0f)), rstd(rows), residual(some<float>(x.size(), 0.5f)), change(x.size()),
          gain_gradient(Width), dy(some<Dy>(x.size())) {
        for (int row = 0; row < rows; row++) rstd[row] = 0.4f + 0.01f * float(row % 9);
        Values<float> partials(i64(blocks) * Width);
        for (int i = 0; i < Width; i++) gain_gradient[i] = 0.0f;
        emulator::launch(blocks, 256, [&] { rms_norm_bwd<Width, Dy, Add, false>(dy.data(), x.data(), gain.data(), rstd.data(), residual.data(), change.data(), nullptr, partials.data(), Rows{nullptr, rows}); });
        add(partials, gain_gradient, blocks);
    }

    static void add(const Values<float>& partials, Values<float>& gradient, int blocks) {
        emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), gradient.data(), Width, blocks, 1); });
    }
};

double sigmoid64(double x) { return 1.0 / (1.0 + exp(-x)); }

template <int Width, class Dy, bool Add, int Length, int Selected> void check_passing(int sequences, int blocks) {
    int rows = sequences * Length;
    std::string name = "norm back and the router's of rows that passed by, " + std::to_string(rows) + " x " + std::to_string(Width);
    Norm<Width, Dy, Add> n(rows, blocks);
    auto scores = some<float>(rows, 3.0f), w = some<float>(Width), dw = some<float>(Width);
    Values<float> scale({0.5f}), dx = n.residual, partials(i64(blocks) * Width), router_partials(partials.size()), gain_gradient(Width);
    Values<element> narrow(n.x.size());
    auto selected = some_selection(sequences, Length, Selected);
    std::vector<double> d, want = n.change.wide(), want_dw = dw.wide();
    for (int row = 0; row < rows; row++) d.push_back(sigmoid64(scores[row]) * 0.5 * Weight / rows);
    for (int i = 0; i < sequences * Selected; i++) d[size_t(i / Selected * Length + selected[i])] = 0.0;
    for (i64 i = 0; i < n.x.size(); i++) {
        want[size_t(i)] += d[size_t(i / Width)] * w[i % Width];
        want_dw[size_t(i % Width)] += d[size_t(i / Width)] * n.x[i];
    }
    for (int i = 0; i < Width; i++) gain_gradient[i] = 0.0f;
    emulator::launch(blocks, 256, [&] {
        rms_norm_bwd_passing<Width, Dy, Add, true, Length>(n.dy.data(), n.x.data(), n.gain.data(), n.rstd.data(), dx.data(), dx.data(), narrow.data(), scores.data(), selected.data(), Selected,
                                                           scale.data(), Weight, w.data(), partials.data(), router_partials.data(), Rows{nullptr, rows});
    });
    n.add(partials, gain_gradient, blocks);
    n.add(router_partials, dw, blocks);
    hold(name, dx, want);
    hold(name + " narrow", narrow, want);
    hold(name + " weight", dw, want_dw);
    expect(name + " gain", gain_gradient == n.gain_gradient);
    for (int i = 0; i < sequences * Selected; i++) {
        i64 at = (i64(i) / Selected * Length + selected[i]) * Width;
        bool same = true;
        for (int c = 0; c < Width; c++) same = same && dx[at + c] == n.change[at + c];
        if (!same) expect(name + ", row that entered", false);
    }
}

template <int Width, class Dy, Gate Kind, int Length, int Selected, bool Loss> void check_entered(int sequences, int blocks) {
    int rows = sequences * Selected, stream_rows = sequences * Length;
    std::string name = std::string("norm back and the router's of rows that entered, ") + (Loss ? "with a loss, " : "") + std::to_string(rows) + " of " + std::to_string(stream_rows) + " x " + std::to_string(Width);
    Norm<Width, Dy, true> n(rows, blocks);
    auto scores = some<float>(stream_rows, 3.0f), w = some<float>(Width), dw = some<float>(Width), dgates = some<float>(rows), dx = some<float>(i64(stream_rows) * Width);
    auto selected = some_selection(sequences, Length, Selected);
    Values<float> scale({0.5f}), gate(rows), partials(i64(blocks) * Width), router_partials(partials.size()), gain_gradient(Width);
    Values<element> narrow(dx.size());
    for (i64 i = 0; i < dx.size(); i++) narrow[i] = from_float<element>(dx[i]);
    emulator::launch(ceil_div(rows, 256), 256, [&] { gates<Kind, Length, Selected>(scores.data(), selected.data(), gate.data(), Rows{nullptr, rows}); });
    std::vector<double> want = dx.wide(), want_dw = dw.wide();
    for (int i = 0; i < rows; i++) {
        i64 at = i64(i) / Selected * Length + selected[i];
        double r = scores[at], s = sigmoid64(r);
        double d = dgates[i] * (Kind == Gate::Identity ? 1.0 : Kind == Gate::Sigmoid ? s * (1.0 - s) : 1.0 - tanh(r) * tanh(r));
        if (Loss) d += (s - 1.0) * 0.5 * Weight / stream_rows;
        for (int c = 0; c < Width; c++) {
            want[size_t(at * Width + c)] += n.change[i64(i) * Width + c] + d * w[c];
            want_dw[size_t(c)] += d * n.x[i64(i) * Width + c];
        }
    }
    for (int i = 0; i < Width; i++) gain_gradient[i] = 0.0f;
    emulator::launch(blocks, 256, [&] {
        rms_norm_bwd_entered<Width, Dy, Kind, Length, Selected, Loss, true>(n.dy.data(), n.x.data(), n.gain.data(), n.rstd.data(), n.residual.data(), selected.data(), gate.data(), dgates.data(), scores.data(),
                                                                            scale.data(), Weight, w.data(), dx.data(), narrow.data(), partials.data(), router_partials.data(), Rows{nullptr, rows});
    });
    n.add(partials, gain_gradient, blocks);
    n.add(router_partials, dw, blocks);
    hold(name, dx, want);
    hold(name + " narrow", narrow, want);
    hold(name + " weight", dw, want_dw);
    expect(name + " gain", gain_gradient == n.gain_gradient);
}

// The norm above a routed block, made with the scores and with the return: bit by bit what it is when made at the end.
template <int Width, int Length, int Selected, bool Scaled> void check_above(int sequences) {
    int rows = sequences * Length, compact = sequences * Selected;
    std::string name = "norm above " + std::to_string(compact) + " of " + std::to_string(rows) + " x " + std::to_string(Width);
    auto x = some<float>(i64(rows) * Width, 2.0f), gain = some<float>(Width, 0.1f, 1.0f), w = some<float>(Width), gate = some<float>(compact);
    auto f = some<element>(i64(compact) * Width);
    auto selected = some_selection(sequences, Length, Selected);
    auto apart = x;
    Values<float> scores(rows), scores_apart(rows), rstd(rows), rstd_apart(rows);
    Values<element> y(x.size()), y_apart(x.size()), y_too(x.size()), narrow(x.size());
    Values<float> scores_too(rows), rstd_too(rows);
    Rows all{nullptr, rows}, few{nullptr, compact};
    emulator::launch(ceil_div(rows, 8), 256, [&] { router_scores<Width>(apart.data(), w.data(), scores_apart.data(), all); });
    emulator::launch(ceil_div(compact, 8), 256, [&] { scatter_add_scaled<Width, Length, Selected, element, Scaled, true>(apart.data(), selected.data(), f.data(), gate.data(), apart.data(), few); });
    emulator::launch(ceil_div(rows, 8), 256, [&] { rms_norm_fwd<Width>(apart.data(), gain.data(), y_apart.data(), rstd_apart.data(), all, 1e-5f); });
    emulator::launch(ceil_div(rows, 8), 256, [&] { router_scores_norm<Width, true>(x.data(), w.data(), scores_too.data(), gain.data(), y_too.data(), rstd_too.data(), all, 1e-5f, narrow.data()); });
    hold(name + " narrow", narrow, x.wide());
    emulator::launch(ceil_div(rows, 8), 256, [&] { router_scores_norm<Width>(x.data(), w.data(), scores.data(), gain.data(), y.data(), rstd.data(), all, 1e-5f); });
    expect(name + " with and without narrow", scores_too == scores && y_too == y && rstd_too == rstd);
    emulator::launch(ceil_div(compact, 8), 256, [&] { scatter_add_norm<Width, Length, Selected, element, Scaled>(x.data(), selected.data(), f.data(), gate.data(), gain.data(), y.data(), rstd.data(), few, 1e-5f); });
    expect(name + " scores", scores == scores_apart);
    expect(name + " stream", x == apart);
    expect(name, y == y_apart);
    expect(name + " rstd", rstd == rstd_apart);
}

int main() {
    check_above<256, 40, 7, true>(3);
    check_above<33, 20, 20, false>(2);
    check_above<1280, 21, 1, true>(5);
    check_above<5000, 9, 5, true>(3);
    check_passing<256, element, true, 40, 7>(3, 2);
    check_passing<192, float, true, 301, 40>(2, 1);
    check_passing<33, element, true, 20, 20>(2, 3);
    check_passing<1280, float, true, 21, 1>(5, 2);
    check_passing<5000, element, true, 9, 5>(3, 2);
    check_entered<256, element, Gate::Identity, 40, 7, true>(3, 2);
    check_entered<192, float, Gate::Sigmoid, 301, 140, false>(2, 1);
    check_entered<33, element, Gate::Tanh, 20, 20, true>(2, 3);
    check_entered<1280, float, Gate::Identity, 21, 1, true>(5, 2);
    check_entered<5000, element, Gate::Sigmoid, 9, 5, true>(3, 2);
    return failures == 0 ? 0 : 1;
}
