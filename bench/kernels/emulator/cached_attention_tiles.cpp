// families: attention attention_tiles cached_attention_tiles
#include "cached_reference.h"

template <int Heads, int KeyValueHeads, int Width, int Context> void check(std::vector<int> lengths, std::vector<int> sequences, int most) {
    auto p = make_cached(Heads, KeyValueHeads, Width, Context, lengths, sequences);
    auto want = answer(p);
    int count = p.rows();
    Rows rows{&count, most};
    std::string what = "tiles, " + std::to_string(Heads) + "/" + std::to_string(KeyValueHeads) + " heads of " + std::to_string(Width) + ", " + std::to_string(count) + " rows";
    std::vector<int> of = sequences, visible = want.visible;
    of.resize(most, 1 << 20);  // rows past the count are not to be followed
    visible.resize(most, 1 << 20);
    p.qkv.resize(size_t(most) * p.columns(), poison());
    std::vector<bf16> output(size_t(most) * Heads * Width, poison());
    emulator::launch(ceil_div(most, 64) * Heads, 128, [&] {
        cached_attention_tiles<Heads, KeyValueHeads, Width, Context>(p.qkv.data(), of.data(), visible.data(), want.cache.data(), output.data(), rows); });
    hold(what, output, want.output, 6e-3, [](size_t) { return true; });
    for (size_t i = want.output.size(); i < output.size(); i++)
        if (output[i].bits != poison().bits) { failures++; std::printf("FAILED %s wrote past the count\n", what.c_str()); break; }
}

std::vector<int> runs(std::vector<int> of, std::vector<int> lengths) {
    std::vector<int> rows;
    for (size_t i = 0; i < of.size(); i++) rows.insert(rows.end(), lengths[i], of[i]);
    return rows;
}

int main() {
    check<2, 1, 64, 200>({0}, runs({0}, {150}), 200);                           // a prompt
    check<2, 2, 32, 300>({130, 0, 64}, runs({2, 0, 1, 0}, {30, 70, 5, 61}), 192);  // runs on old entries, tiles across sequences
    check<2, 1, 128, 80>({3, 70}, {1, 0, 0, 1, 0, 1, 1, 0}, 8);                 // in turns
    check<1, 1, 16, 64>({5, 63, 1, 0}, {3, 1, 2, 0}, 64);
    return failures == 0 ? 0 : 1;
}
