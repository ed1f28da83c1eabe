// A linear layer's three products: random operands, results in float64 by plain loops, poisoned outputs.
#pragma once
#include "hold.h"

// C (m, n) = A . B with operands laid out as linear_any and linear_sm80 read them: mn-major (k, size) or k-major (size, k).
struct Product64 {
    int m, n, k;
    std::vector<element> a, b;
    std::vector<double> c;
};

inline Product64 make_product(int m, int n, int k, bool mn_major_a, bool mn_major_b) {
    Product64 p{m, n, k, {}, {}, {}};
    std::mt19937 random{u32(m * 31 + n * 7 + k)};
    std::normal_distribution<float> normal;
    p.a.resize(size_t(m) * k);
    p.b.resize(size_t(n) * k);
    p.c.assign(size_t(m) * n, 0.0);
    for (auto& x : p.a) x = from_float<element>(normal(random));
    for (auto& x : p.b) x = from_float<element>(normal(random));
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int d = 0; d < k; d++)
                p.c[size_t(i) * n + j] += as_double(p.a[mn_major_a ? size_t(d) * m + i : size_t(i) * k + d]) * as_double(p.b[mn_major_b ? size_t(d) * n + j : size_t(j) * k + d]);
    return p;
}

template <class T> std::vector<double> plus(std::vector<double> c, const std::vector<T>& old) {
    for (size_t i = 0; i < c.size(); i++) c[i] += as_double(old[i % old.size()]);
    return c;
}

inline std::vector<float> some_floats(size_t count) {
    std::vector<float> v(count);
    std::mt19937 random{u32(count)};
    std::normal_distribution<float> normal;
    for (auto& x : v) x = normal(random);
    return v;
}

// Outputs start as NaN with a guard behind them, which must still be NaN afterwards.
constexpr size_t Guard = 64;
template <class T> std::vector<T> poisoned(size_t count) { return std::vector<T>(count + Guard, from_float<T>(NAN)); }

template <class T> void hold_product(const std::string& what, const std::vector<T>& got, const std::vector<double>& want) {
    double tolerance = sizeof(T) == 2 ? 4e-3 : sizeof(element) == 2 ? 1e-6 : 4e-7;
    hold(what, got, want, tolerance, [](size_t) { return true; });
    for (size_t i = want.size(); i < got.size(); i++)
        if (as_double(got[i]) == as_double(got[i])) {
            failures++;
            std::printf("FAILED %s: element %zu past the end was written\n", what.c_str(), i - want.size());
            break;
        }
}

inline std::string describe(const char* kernel, const char* pass, const Product64& p) {
    return std::string(kernel) + " " + pass + " " + std::to_string(p.m) + " x " + std::to_string(p.n) + " x " + std::to_string(p.k) + (sizeof(element) == 4 ? " float32" : "");
}
