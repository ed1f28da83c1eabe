// Grouped products: operands of groups of rows, padded, and their results in float64.
#pragma once
#include "linear_reference.h"

constexpr int Behind = 64;  // rows behind the last group's, which nobody reads or writes

struct Groups64 {
    std::vector<int> starts{0};
    std::vector<bf16> a, b;  // rows of the batch; of the batch too (weight gradient) or the groups' matrices one behind the other
    std::vector<double> c;
    int rows() const { return starts.back() + Behind; }
};

inline void append_rows(std::vector<bf16>& to, const std::vector<bf16>& from, int rows, int padded, int width) {
    to.insert(to.end(), from.begin(), from.begin() + i64(rows) * width);
    to.insert(to.end(), size_t(padded - rows) * width, bf16{0});
}

// Rows of the batch, each by its group's matrix: C (rows, n), zero where a row only pads.
template <size_t Count> Groups64 groups_of_rows(const int (&counts)[Count], int n, int k, bool mn_major_b, int each) {
    Groups64 all;
    for (int count : counts) {
        int padded = ceil_div(count, each) * each;
        auto p = make_product(count, n, k, false, mn_major_b);
        append_rows(all.a, p.a, count, padded, k);
        all.b.insert(all.b.end(), p.b.begin(), p.b.end());
        all.c.insert(all.c.end(), p.c.begin(), p.c.end());
        all.c.insert(all.c.end(), size_t(padded - count) * n, 0.0);
        all.starts.push_back(all.starts.back() + padded);
    }
    all.a.insert(all.a.end(), size_t(Behind) * k, poison());
    return all;
}

// Sums over each group's rows: C (groups, m, n).
template <size_t Count> Groups64 groups_of_sums(const int (&counts)[Count], int m, int n) {
    Groups64 all;
    for (int count : counts) {
        int padded = ceil_div(count, 64) * 64;
        auto p = make_product(m, n, count, true, true);
        append_rows(all.a, p.a, count, padded, m);
        append_rows(all.b, p.b, count, padded, n);
        all.c.insert(all.c.end(), p.c.begin(), p.c.end());
        all.starts.push_back(all.starts.back() + padded);
    }
    all.a.insert(all.a.end(), size_t(Behind) * m, poison());
    all.b.insert(all.b.end(), size_t(Behind) * n, poison());
    return all;
}

inline std::string describe_groups(const char* kernel, const char* pass, const Groups64& all, int n, int k) {
    return std::string(kernel) + " grouped " + pass + " " + std::to_string(all.starts.back()) + " x " + std::to_string(n) + " x " + std::to_string(k);
}
