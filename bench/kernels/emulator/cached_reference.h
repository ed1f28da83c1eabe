// A ragged cache and attention over it in float64 by plain loops, on random operands.
#pragma once
#include "hold.h"

struct CachedProblem {
    int heads, key_heads, width, context;
    std::vector<int> sequences, lengths;      // of the call's rows; of the cache before the call
    std::vector<element> qkv, cache;
    int rows() const { return int(sequences.size()); }
    int entry() const { return 2 * key_heads * width; }
    int columns() const { return heads * width + entry(); }
};

inline CachedProblem make_cached(int heads, int key_heads, int width, int context, std::vector<int> lengths, std::vector<int> sequences) {
    CachedProblem p{heads, key_heads, width, context, sequences, lengths, {}, {}};
    std::mt19937 random{u32(width * 1000 + context)};
    std::normal_distribution<float> normal;
    p.qkv.resize(size_t(p.rows()) * p.columns());
    p.cache.assign(lengths.size() * context * p.entry(), from_float<element>(NAN));  // what lies past a sequence's entries is not to be read
    for (auto& x : p.qkv) x = from_float<element>(2.0f * normal(random));
    for (size_t s = 0; s < lengths.size(); s++)
        for (int i = 0; i < lengths[s] * p.entry(); i++) p.cache[s * context * p.entry() + i] = from_float<element>(normal(random));
    return p;
}

// What the call makes of it: visible, lengths and cache after, and the outputs.
struct CachedAnswer {
    std::vector<int> visible, lengths;
    std::vector<element> cache;
    std::vector<double> output;
};

inline CachedAnswer answer(const CachedProblem& p) {
    CachedAnswer a{{}, p.lengths, p.cache, {}};
    for (int i = 0; i < p.rows(); i++) {
        int sequence = p.sequences[i], slot = a.lengths[sequence]++;
        a.visible.push_back(slot + 1);
        for (int c = 0; c < p.entry(); c++)
            a.cache[(size_t(sequence) * p.context + slot) * p.entry() + c] = p.qkv[size_t(i) * p.columns() + p.heads * p.width + c];
    }
    a.output.assign(size_t(p.rows()) * p.heads * p.width, 0.0);
    for (int i = 0; i < p.rows(); i++)
        for (int h = 0; h < p.heads; h++) {
            int seen = a.visible[i], g = h / (p.heads / p.key_heads);
            auto entry = [&](int j, int part, int c) { return double(to_float(a.cache[(size_t(p.sequences[i]) * p.context + j) * p.entry() + (part * p.key_heads + g) * p.width + c])); };
            std::vector<double> s(seen);
            double top = -1e300, sum = 0.0;
            for (int j = 0; j < seen; j++) {
                for (int c = 0; c < p.width; c++) s[j] += double(to_float(p.qkv[size_t(i) * p.columns() + h * p.width + c])) * entry(j, 0, c) / sqrt(double(p.width));
                top = std::max(top, s[j]);
            }
            for (double& x : s) sum += x = exp(x - top);
            for (int j = 0; j < seen; j++)
                for (int c = 0; c < p.width; c++) a.output[(size_t(i) * p.heads + h) * p.width + c] += s[j] / sum * entry(j, 1, c);
        }
    return a;
}

// Bitwise equality, NaN included.
template <class T> void hold_equal(const std::string& what, const std::vector<T>& got, const std::vector<T>& want) {
    bool ok = got.size() == want.size() && std::memcmp(got.data(), want.data(), got.size() * sizeof(T)) == 0;
    if (!ok) failures++, std::printf("FAILED %s\n", what.c_str());
}
