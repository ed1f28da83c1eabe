// families: rows
// precisions: both
#include "values.h"

template <class T> Values<T> some(i64 count, float deviation = 1.0f) { return Values<T>(count).random(deviation); }

// The stream's row of each compact row.
std::vector<i64> rows_of(const Values<int>& selected, int length, int count) {
    std::vector<i64> rows;
    for (i64 i = 0; i < selected.size(); i++) rows.push_back(i / count * length + selected[i]);
    return rows;
}

template <int Width, int Length, int Selected> void check(int sequences, int spare) {
    int rows = sequences * Selected, stream_rows = sequences * Length, compact = rows * Width;
    std::string name = std::to_string(rows) + " of " + std::to_string(stream_rows) + " x " + std::to_string(Width);
    auto x = some<float>(i64(stream_rows) * Width);
    auto dy = some<float>(i64(stream_rows) * Width);
    auto f = some<element>(compact);
    auto gates = some<float>(rows), g = some<float>(compact);
    auto selected = some_selection(sequences, Length, Selected);
    auto at = rows_of(selected, Length, Selected);
    Values<int> plain(rows);
    std::vector<double> gathered, gated = x.wide(), ungated = x.wide(), summed = x.wide(), df, dgates(static_cast<size_t>(rows));
    for (int i = 0; i < rows; i++) {
        plain[i] = int(at[size_t(i)]);
        for (int c = 0; c < Width; c++) {
            i64 to = at[size_t(i)] * Width + c, from = i64(i) * Width + c;
            gathered.push_back(x[to]);
            gated[size_t(to)] += double(gates[i]) * as_double(f[from]);
            ungated[size_t(to)] += as_double(f[from]);
            summed[size_t(to)] += g[from];
            df.push_back(double(gates[i]) * dy[to]);
            dgates[size_t(i)] += double(dy[to]) * as_double(f[from]);
        }
    }
    Rows compact_rows{&rows, rows + spare}, all{nullptr, stream_rows};
    int blocks = ceil_div(rows + spare, 8), stream_blocks = ceil_div(stream_rows, 8);
    Values<float> y(compact), y_plain(compact), sum(x.size()), sum_ungated(x.size()), d(compact), d_gates(rows), d_gates_only(rows);
    Values<element> d_narrow(compact);
    emulator::launch(blocks, 256, [&] { gather_rows<Width, Length, Selected>(x.data(), selected.data(), y.data(), compact_rows); });
    hold("gather " + name, y, gathered, 0.0);
    emulator::launch(blocks, 256, [&] { gather_rows<Width, 0, 0>(x.data(), plain.data(), y_plain.data(), compact_rows); });
    expect("gather plain rows " + name, y_plain == y);
    emulator::launch(stream_blocks, 256, [&] { scatter_add_scaled<Width, Length, Selected, element, true, false>(x.data(), selected.data(), f.data(), gates.data(), sum.data(), all); });
    hold("gated return " + name, sum, gated);
    emulator::launch(stream_blocks, 256, [&] { scatter_add_scaled<Width, Length, Selected, element, false, false>(x.data(), selected.data(), f.data(), nullptr, sum_ungated.data(), all); });
    hold("return " + name, sum_ungated, ungated);
    emulator::launch(blocks, 256, [&] { gather_scale_bwd<Width, Length, Selected, element, true, true>(dy.data(), selected.data(), f.data(), gates.data(), d.data(), d_narrow.data(), d_gates.data(), compact_rows); });
    hold("gated return back " + name, d, df);
    hold("gated return back " + name + " narrow", d_narrow, df);
    hold("gated return back " + name + " gates", d_gates, dgates);
    emulator::launch(blocks, 256, [&] { gather_scale_bwd<Width, Length, Selected, element, false, true>(dy.data(), selected.data(), f.data(), gates.data(), nullptr, f.data(), d_gates_only.data(), compact_rows); });
    hold("gated return back " + name + " in place of f", f, df);
    expect("gated return back " + name + " gates alone", d_gates_only == d_gates);
    Values<element> rounded(x.size());
    for (i64 i = 0; i < x.size(); i++) rounded[i] = from_float<element>(1.0f);
    emulator::launch(blocks, 256, [&] { narrow_rows<Width, Length, Selected>(x.data(), selected.data(), rounded.data(), compact_rows); });
    bool right = true;
    for (i64 i = 0; i < x.size(); i++) {
        bool is_selected = std::find(at.begin(), at.end(), i / Width) != at.end();
        right = right && as_double(rounded[i]) == as_double(from_float<element>(is_selected ? x[i] : 1.0f));
    }
    expect("narrow of selected rows " + name, right);
    auto x_before = x;
    emulator::launch(blocks, 256, [&] { scatter_add<Width, Length, Selected>(g.data(), selected.data(), x.data(), compact_rows); });
    hold("scatter " + name, x, summed);
    emulator::launch(blocks, 256, [&] { scatter_add_scaled<Width, 0, 0, float, true, true>(x_before.data(), plain.data(), g.data(), gates.data(), x_before.data(), compact_rows); });
    for (int i = 0; i < compact; i++) summed[size_t(at[size_t(i / Width)] * Width + i % Width)] += (double(gates[i / Width]) - 1.0) * g[i];
    hold("gated return in place " + name, x_before, summed);
}

template <int Selected> void check_search(int length) {
    auto selected = some_selection(1, length, Selected);
    std::vector<int> want(static_cast<size_t>(length), -1), got(static_cast<size_t>(length), -2), by_thread(static_cast<size_t>(length), -2);
    for (int i = 0; i < Selected; i++) want[size_t(selected[i])] = i;
    emulator::launch(1, 32, [&] {
        for (int p = 0; p < length; p++) {
            int found = warp_find_position<Selected>(selected.data(), p);
            if (threadIdx.x == 31) got[size_t(p)] = found;
            if (threadIdx.x == 0) by_thread[size_t(p)] = find_position(selected.data(), Selected, p);
        }
    });
    expect("search among " + std::to_string(Selected) + " of " + std::to_string(length), got == want && by_thread == want);
}

int main() {
    check<128, 40, 7>(3, 4);
    check<192, 16, 16>(2, 0);
    check<33, 21, 1>(5, 11);
    check<1026, 9, 5>(3, 0);
    check<2500, 6, 3>(2, 3);
    check_search<1>(5);
    check_search<2>(3);
    check_search<31>(50);
    check_search<33>(33);
    check_search<100>(400);
    check_search<1025>(1500);
    return failures == 0 ? 0 : 1;
}
