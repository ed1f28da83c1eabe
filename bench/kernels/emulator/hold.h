// How results are held against float64.
#pragma once
#include "units.h"

inline bf16 poison() { return bf16{0x7fff}; }
inline double as_double(bf16 x) { return to_float(x); }
inline double as_double(float x) { return x; }
inline int failures = 0;

// Relative Frobenius error of the elements that `in` picks; NaN fails.
template <class T, class In> void hold(const std::string& what, const std::vector<T>& got, const std::vector<double>& want, double tolerance, In in) {
    double error = 0.0, norm = 0.0;
    for (size_t i = 0; i < want.size(); i++) {
        if (!in(i)) continue;
        double difference = as_double(got[i]) - want[i];
        error += difference * difference;
        norm += want[i] * want[i];
    }
    double relative = sqrt(error / norm);
    bool ok = relative <= tolerance;
    if (!ok) failures++;
    std::printf("%-7s%s: %.3g of %.3g\n", ok ? "ok" : "FAILED", what.c_str(), relative, tolerance);
}
