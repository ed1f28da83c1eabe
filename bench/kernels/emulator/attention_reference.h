// Causal attention and its gradients in float64 by plain loops, on random operands, and how results are held against it.
#pragma once
#include "hold.h"

struct Problem {
    int batch, length, heads, key_heads, width;
    std::vector<element> qkv, doutput;
    std::vector<double> output, lse, dqkv;
    int columns() const { return (heads + 2 * key_heads) * width; }
    float scale() const { return 1.0f / sqrtf(float(width)); }
};

inline Problem make_problem(int batch, int length, int heads, int key_heads, int width) {
    Problem p{batch, length, heads, key_heads, width, {}, {}, {}, {}, {}};
    std::mt19937 random{u32(length)};
    std::normal_distribution<float> normal;
    i64 rows = i64(batch) * length;
    p.qkv.resize(rows * p.columns());
    p.doutput.resize(rows * heads * width);
    for (auto& x : p.qkv) x = from_float<element>(normal(random));
    for (auto& x : p.doutput) x = from_float<element>(normal(random));
    p.output.assign(p.doutput.size(), 0.0);
    p.lse.assign(rows * heads, 0.0);
    p.dqkv.assign(p.qkv.size(), 0.0);
    double scale = 1.0 / sqrt(double(width));
    std::vector<double> s(length), d(width);
    for (int b = 0; b < batch; b++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < length; i++) {
                int g = h / (heads / key_heads);
                i64 row = i64(b) * length + i;
                auto at = [&](int position, int column) { return (i64(b) * length + position) * p.columns() + column; };
                auto x = [&](int position, int column) { return double(to_float(p.qkv[at(position, column)])); };
                int key = (heads + g) * width, value = (heads + key_heads + g) * width;
                double top = -1e300, sum = 0.0, dot = 0.0;
                for (int j = 0; j <= i; j++) {
                    s[j] = 0.0;
                    for (int c = 0; c < width; c++) s[j] += scale * x(i, h * width + c) * x(j, key + c);
                    top = std::max(top, s[j]);
                }
                for (int j = 0; j <= i; j++) sum += s[j] = exp(s[j] - top);
                p.lse[(i64(b) * heads + h) * length + i] = top + log(sum);
                double* o = &p.output[row * heads * width + h * width];
                for (int j = 0; j <= i; j++)
                    for (int c = 0; c < width; c++) o[c] += (s[j] / sum) * x(j, value + c);
                for (int c = 0; c < width; c++) {
                    d[c] = to_float(p.doutput[row * heads * width + h * width + c]);
                    dot += d[c] * o[c];
                }
                for (int j = 0; j <= i; j++) {
                    double weight = s[j] / sum, dp = 0.0;
                    for (int c = 0; c < width; c++) dp += d[c] * x(j, value + c);
                    double ds = weight * (dp - dot) * scale;
                    for (int c = 0; c < width; c++) {
                        p.dqkv[at(i, h * width + c)] += ds * x(j, key + c);
                        p.dqkv[at(j, key + c)] += ds * x(i, h * width + c);
                        p.dqkv[at(j, value + c)] += weight * d[c];
                    }
                }
            }
    return p;
}

inline void hold_output(const std::string& what, const Problem& p, const std::vector<element>& output, const std::vector<float>& lse) {
    auto all = [](size_t) { return true; };
    hold(what + " output", output, p.output, sizeof(element) == 4 ? 2e-6 : 6e-3, all);
    hold(what + " log-sum", lse, p.lse, sizeof(element) == 4 ? 1e-6 : 1e-5, all);
}

inline void hold_gradients(const std::string& what, const Problem& p, const std::vector<element>& dqkv) {
    const char* names[] = {" dq", " dk", " dv"};
    int ends[] = {p.heads * p.width, (p.heads + p.key_heads) * p.width, p.columns()};
    for (int part = 0; part < 3; part++)
        hold(what + names[part], dqkv, p.dqkv, sizeof(element) == 4 ? 2e-6 : 8e-3, [&](size_t i) {
            int column = int(i % size_t(p.columns()));
            return column < ends[part] && (part == 0 || column >= ends[part - 1]);
        });
}

// The gradients before rotary, from those behind it.
inline std::vector<float2> turn_back(Problem& p, const std::vector<int>& positions) {
    std::vector<float2> table(size_t(400) * p.width / 2);
    for (size_t i = 0; i < table.size(); i++) table[i] = {cosf(0.37f * float(i)), sinf(0.37f * float(i))};
    for (size_t row = 0; row < positions.size(); row++)
        for (int head = 0; head < p.heads + p.key_heads; head++)
            for (int i = 0; i < p.width / 2; i++) {
                double &low = p.dqkv[row * p.columns() + head * p.width + i], &high = p.dqkv[row * p.columns() + head * p.width + p.width / 2 + i], before = low;
                float2 angle = table[size_t(positions[row]) * p.width / 2 + i];
                low = low * angle.x + high * angle.y;
                high = high * angle.x - before * angle.y;
            }
    return table;
}

inline TensorMap map_of(std::vector<element>& matrix, const Problem& p, int columns) {
    return TensorMap{reinterpret_cast<unsigned char*>(matrix.data()), columns, p.length, p.batch, 64};
}

inline std::string describe(const Problem& p, const std::string& tile) {
    return std::to_string(p.heads) + "/" + std::to_string(p.key_heads) + " heads of " + std::to_string(p.width) + ", " + std::to_string(p.batch) + " x " + std::to_string(p.length) + tile;
}
