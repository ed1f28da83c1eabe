// families: elementwise rms_norm
// precisions: both
#include "values.h"

constexpr float Epsilon = 1e-5f;
template <class T> Values<T> some(i64 count, float deviation = 1.0f, float mean = 0.0f) { return Values<T>(count).random(deviation, mean); }

struct Norm64 { std::vector<double> y, rstd; };

Norm64 norm(const std::vector<double>& x, const Values<float>& gain, int width) {
    Norm64 n{std::vector<double>(x.size()), {}};
    for (size_t row = 0; row < x.size() / size_t(width); row++) {
        double squares = 0.0;
        for (int i = 0; i < width; i++) squares += x[row * width + i] * x[row * width + i];
        n.rstd.push_back(1.0 / sqrt(squares / width + Epsilon));
        for (int i = 0; i < width; i++) n.y[row * width + i] = x[row * width + i] * n.rstd[row] * gain[i];
    }
    return n;
}

template <int Width> void check_forward(int rows, int spare) {
    std::string name = std::to_string(rows) + " x " + std::to_string(Width);
    Rows counted{&rows, rows + spare};
    int blocks = ceil_div(rows + spare, 8);
    i64 size = i64(rows) * Width, all = size + i64(spare) * Width;
    auto x = some<float>(all, 2.0f), gain = some<float>(Width, 0.1f, 1.0f);
    auto a = some<element>(all);
    Values<element> y(all), y_of_sum(all);
    Values<float> rstd(rows + spare), rstd_of_sum(rows + spare), sum(all);
    auto wide = x.wide();
    wide.resize(size_t(size));
    auto want = norm(wide, gain, Width);
    emulator::launch(blocks, 256, [&] { rms_norm_fwd<Width>(x.data(), gain.data(), y.data(), rstd.data(), counted, Epsilon); });
    hold("norm " + name, y, want.y);
    hold("norm " + name + " rstd", rstd, want.rstd);
    for (i64 i = 0; i < size; i++) wide[size_t(i)] += as_double(a[i]);
    want = norm(wide, gain, Width);
    emulator::launch(blocks, 256, [&] { rms_norm_add_fwd<Width>(x.data(), a.data(), gain.data(), sum.data(), y_of_sum.data(), rstd_of_sum.data(), counted, Epsilon); });
    hold("norm of sum " + name, y_of_sum, want.y);
    hold("norm of sum " + name + " sum", sum, wide);
    hold("norm of sum " + name + " rstd", rstd_of_sum, want.rstd);
}

template <int Width, int Length, int Selected> void check_gather(int sequences) {
    int rows = sequences * Selected;
    std::string name = std::to_string(rows) + " of " + std::to_string(sequences * Length) + " x " + std::to_string(Width);
    auto x = some<float>(i64(sequences) * Length * Width), gain = some<float>(Width, 0.1f, 1.0f);
    auto selected = some_selection(sequences, Length, Selected);
    std::vector<double> wide;
    Values<int> plain(rows);
    for (int i = 0; i < rows; i++) {
        plain[i] = i / Selected * Length + selected[i];
        for (int c = 0; c < Width; c++) wide.push_back(x[i64(plain[i]) * Width + c]);
    }
    auto want = norm(wide, gain, Width);
    Values<float> gathered(i64(rows) * Width), rstd(rows), again(i64(rows) * Width);
    Values<element> y(i64(rows) * Width), y_again(i64(rows) * Width);
    Rows all{nullptr, rows};
    emulator::launch(ceil_div(rows, 8), 256, [&] { rms_norm_gather_fwd<Width, Length, Selected>(x.data(), selected.data(), gain.data(), gathered.data(), y.data(), rstd.data(), all, Epsilon); });
    emulator::launch(ceil_div(rows, 8), 256, [&] { rms_norm_gather_fwd<Width, 0, 0>(x.data(), plain.data(), gain.data(), again.data(), y_again.data(), nullptr, all, Epsilon); });
    hold("norm of gathered " + name, y, want.y);
    hold("norm of gathered " + name + " rstd", rstd, want.rstd);
    hold("norm of gathered " + name + " rows", gathered, wide, 0.0);
    expect("norm of plain rows " + name, again == gathered && y_again == y);
}

template <int Width, class Dy, bool Add, bool Narrow, bool Apart = false> void check_backward(int rows, int blocks) {
    std::string name = std::string("norm back ") + (Apart ? "and residual apart " : Add ? "and residual " : "") + std::to_string(rows) + " x " + std::to_string(Width);
    i64 size = i64(rows) * Width;
    auto x = some<float>(size, 2.0f), gain = some<float>(Width, 0.1f, 1.0f), gradient = some<float>(Width), residual = some<float>(size, 0.5f);
    auto dy = some<Dy>(size);
    auto n = norm(x.wide(), gain, Width);
    std::vector<double> dx(static_cast<size_t>(size)), alone(static_cast<size_t>(size)), dgain = gradient.wide();
    Values<float> rstd(rows);
    for (int row = 0; row < rows; row++) {
        rstd[row] = float(n.rstd[size_t(row)]);
        double along = 0.0;
        for (i64 i = row * i64(Width); i < (row + 1) * i64(Width); i++) {
            along += as_double(dy[i]) * gain[i % Width] * x[i] * n.rstd[size_t(row)] / Width;
            dgain[size_t(i % Width)] += as_double(dy[i]) * x[i] * n.rstd[size_t(row)];
        }
        for (i64 i = row * i64(Width); i < (row + 1) * i64(Width); i++)
            alone[size_t(i)] = n.rstd[size_t(row)] * (as_double(dy[i]) * gain[i % Width] - x[i] * n.rstd[size_t(row)] * along);
        for (i64 i = row * i64(Width); i < (row + 1) * i64(Width); i++) dx[size_t(i)] = alone[size_t(i)] + (Add ? residual[i] : 0.0f);
    }
    Values<float> out(size), partials(i64(blocks) * Width);
    Values<element> narrowed(size);
    float* to = Add && !Apart ? residual.data() : out.data();
    emulator::launch(blocks, 256, [&] { rms_norm_bwd<Width, Dy, Add, Narrow, Apart>(dy.data(), x.data(), gain.data(), rstd.data(), residual.data(), to, narrowed.data(), partials.data(), Rows{nullptr, rows}); });
    emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), gradient.data(), Width, blocks, 1); });
    hold(name, Add && !Apart ? residual : out, Apart ? alone : dx);
    hold(name + " gain", gradient, dgain);
    if (Narrow) hold(name + " narrow", narrowed, dx);
}

int main() {
    check_forward<256>(19, 6);
    check_forward<192>(9, 0);
    check_forward<1152>(13, 0);
    check_forward<4104>(9, 8);
    check_forward<250>(7, 0);
    check_forward<33>(17, 1);
    check_forward<1>(9, 0);
    check_gather<128, 40, 7>(3);
    check_gather<33, 20, 20>(2);
    check_gather<2049, 9, 2>(5);
    check_backward<256, element, true, true>(37, 3);
    check_backward<192, float, false, false>(20, 2);
    check_backward<1152, element, true, false>(13, 2);
    check_backward<4100, element, false, true>(5, 2);
    check_backward<250, float, true, true>(21, 2);
    check_backward<33, element, false, false>(50, 7);
    check_backward<256, element, true, true, true>(37, 3);
    check_backward<1152, float, true, true, true>(13, 2);
    check_backward<33, float, false, false>(50, 200);
    check_backward<8200, element, true, false>(3, 2);
    return failures == 0 ? 0 : 1;
}
