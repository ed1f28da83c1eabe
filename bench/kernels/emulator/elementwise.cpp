// families: elementwise
// precisions: both
#include "values.h"

double silu(double x) { return x / (1.0 + exp(-x)); }
double silu_slope64(double x) { double s = 1.0 / (1.0 + exp(-x)); return s * (1.0 + x * (1.0 - s)); }
int flat_blocks(int rows, int width) { return ceil_div(rows * width, 2048); }
template <class T> Values<T> some(i64 count, float deviation = 1.0f) { return Values<T>(count).random(deviation); }
std::string named(const char* what, int rows, int width) { return std::string(what) + " " + std::to_string(rows) + " x " + std::to_string(width); }

// Rows are counted on the device: `spare` more are allowed, and must stay as they are.
template <int Width> void check(int rows, int spare) {
    i64 size = i64(rows) * Width, all = size + i64(spare) * Width;
    Rows counted{&rows, rows + spare};
    int blocks = flat_blocks(rows + spare, Width);
    auto a = some<float>(all), c = some<float>(all, 2.0f);
    auto e = some<element>(all), f = some<element>(all, 3.0f);
    std::vector<double> sum, sums, y, dx;
    for (i64 i = 0; i < size; i++) {
        sum.push_back(double(a[i]) + as_double(e[i]));
        sums.push_back(as_double(e[i]) + as_double(f[i]));
        y.push_back(silu(as_double(f[i])));
        dx.push_back(as_double(e[i]) * silu_slope64(as_double(f[i])));
    }
    Values<float> x(all);
    Values<element> z(all), w(all), s(all), t(all);
    emulator::launch(blocks, 256, [&] { add<Width>(a.data(), e.data(), x.data(), counted); });
    hold(named("add", rows, Width), x, sum);
    emulator::launch(blocks, 256, [&] { add<Width>(e.data(), f.data(), z.data(), counted); });
    hold(named("add operands", rows, Width), z, sums);
    emulator::launch(blocks, 256, [&] { narrow<Width>(c.data(), w.data(), counted); });
    hold(named("narrow", rows, Width), w, [&] { auto v = c.wide(); v.resize(size_t(size)); return v; }());
    emulator::launch(blocks, 256, [&] { silu_fwd<Width>(f.data(), s.data(), counted); });
    hold(named("silu", rows, Width), s, y);
    emulator::launch(blocks, 256, [&] { silu_bwd<Width>(f.data(), e.data(), t.data(), counted); });
    hold(named("silu back", rows, Width), t, dx);

    emulator::launch(flat_blocks(rows, Width), 256, [&] { add<Width>(a.data(), e.data(), a.data(), Rows{nullptr, rows}); });
    for (i64 i = size; i < all; i++) sum.push_back(a[i]);
    hold(named("add in place", rows, Width), a, sum);
}

template <int Width> void check_swiglu(int rows) {
    i64 size = i64(rows) * Width;
    auto gate_up = some<element>(2 * size, 2.0f), d = some<element>(size);
    Values<element> hidden(size);
    std::vector<double> want(static_cast<size_t>(size)), back(static_cast<size_t>(2 * size));
    for (i64 i = 0; i < size; i++) {
        i64 at = i / Width * 2 * Width + i % Width;
        double g = as_double(gate_up[at]), u = as_double(gate_up[at + Width]), dh = as_double(d[i]);
        want[size_t(i)] = silu(g) * u;
        back[size_t(at)] = dh * u * silu_slope64(g);
        back[size_t(at + Width)] = dh * silu(g);
    }
    Rows all{nullptr, rows};
    emulator::launch(flat_blocks(rows, Width), 256, [&] { swiglu_fwd<Width>(gate_up.data(), hidden.data(), all); });
    hold(named("swiglu", rows, Width), hidden, want);
    emulator::launch(flat_blocks(rows, Width), 256, [&] { swiglu_bwd<Width>(gate_up.data(), d.data(), gate_up.data(), all); });
    hold(named("swiglu back in place", rows, Width), gate_up, back);
}

template <int Heads, int HeadWidth, int Stride> void check_rotary(int rows) {
    constexpr int Half = HeadWidth / 2, Context = 50;
    auto x = some<element>(i64(rows) * Stride);
    auto positions = Values<int>(rows).random_below(Context);
    std::vector<float2> table(Context * Half);
    for (int p = 0; p < Context; p++)
        for (int i = 0; i < Half; i++) {
            double angle = p * pow(10000.0, -2.0 * i / HeadWidth);
            table[size_t(p * Half + i)] = {float(cos(angle)), float(sin(angle))};
        }
    auto turned = x.wide();
    for (int row = 0; row < rows; row++)
        for (int h = 0; h < Heads; h++)
            for (int i = 0; i < Half; i++) {
                double *a = &turned[size_t(row * Stride + h * HeadWidth + i)], *b = a + Half, first = *a;
                float2 t = table[size_t(positions[row] * Half + i)];
                *a = first * t.x - *b * t.y;
                *b = *b * t.x + first * t.y;
            }
    auto before = x.wide();
    Rows all{nullptr, rows};
    int blocks = flat_blocks(rows, Heads * Half);
    emulator::launch(blocks, 256, [&] { rotary<Heads, HeadWidth, Stride, false>(x.data(), positions.data(), table.data(), all); });
    hold(named("rotary", rows, Stride), x, turned);
    emulator::launch(blocks, 256, [&] { rotary<Heads, HeadWidth, Stride, true>(x.data(), positions.data(), table.data(), all); });
    hold(named("rotary and back", rows, Stride), x, before, 2 * tolerance_of<element>());
}

template <int Width> void check_sums(int rows, int blocks) {
    auto dy = some<element>(i64(rows) * Width);
    auto gradient = some<float>(Width);
    auto want = gradient.wide();
    for (i64 i = 0; i < dy.size(); i++) want[size_t(i % Width)] += as_double(dy[i]);
    Values<float> partials(i64(blocks) * Width);
    emulator::launch(blocks, 256, [&] { column_sums<Width>(dy.data(), partials.data(), Rows{nullptr, rows}); });
    emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), gradient.data(), Width, blocks, 1); });
    hold(named("column sums", rows, Width), gradient, want, 1e-6);
}

int main() {
    check<64>(37, 5);
    check<36>(64, 0);
    check<250>(9, 30);
    check<33>(63, 1);
    check<1>(2050, 7);
    check<2816>(2, 1);
    check_swiglu<64>(40);
    check_swiglu<20>(103);
    check_swiglu<6>(500);
    check_swiglu<7>(300);
    check_rotary<6, 64, 512>(23);
    check_rotary<3, 6, 27>(100);
    check_rotary<2, 24, 96>(31);
    check_rotary<1, 2, 2>(1100);
    check_sums<64>(301, 3);
    check_sums<7>(1000, 5);
    check_sums<250>(40, 2);
    check_sums<3000>(9, 4);
    return failures == 0 ? 0 : 1;
}
