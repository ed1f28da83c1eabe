// families: cached_attention cached_attention_split
// precisions: both
#include "cached_reference.h"

template <int Heads, int KeyValueHeads, int Width, int Context> void check(std::vector<int> lengths, std::vector<int> sequences, int most) {
    auto p = make_cached(Heads, KeyValueHeads, Width, Context, lengths, sequences);
    auto want = answer(p);
    int count = p.rows();
    Rows rows{&count, most};
    std::string what = "cached, " + std::to_string(Heads) + "/" + std::to_string(KeyValueHeads) + " heads of " + std::to_string(Width) + ", " + std::to_string(count) + " rows";
    std::vector<int> of = sequences, visible(most, -7), placed = lengths, advanced = lengths;
    of.resize(most, 1 << 20);  // rows past the count are not to be followed
    std::vector<int> visible_expected = want.visible;
    visible_expected.resize(most, -7);
    p.qkv.resize(size_t(most) * p.columns(), from_float<element>(NAN));
    std::vector<element> output(size_t(most) * Heads * Width, from_float<element>(NAN)), untouched = output;
    auto check_places = [&](const char* kernel) { hold_equal(what + " visible by " + kernel, visible, visible_expected); };
    emulator::launch(1, 1024, [&] { cache_place(of.data(), placed.data(), visible.data(), rows); });
    check_places("cache_place");
    hold_equal(what + " lengths untouched", placed, lengths);
    emulator::launch(1, 1024, [&] { cache_advance(of.data(), advanced.data(), rows); });
    hold_equal(what + " lengths", advanced, want.lengths);
    std::fill(visible.begin(), visible.end(), -7);
    emulator::launch(1, 1024, [&] { cache_place_advance(of.data(), placed.data(), visible.data(), rows); });
    check_places("cache_place_advance");
    hold_equal(what + " lengths by cache_place_advance", placed, want.lengths);
    emulator::launch(most, 256, [&] { cache_append<Heads, KeyValueHeads, Width, Context>(p.qkv.data(), of.data(), visible.data(), p.cache.data(), rows); });
    hold_equal(what + " cache", p.cache, want.cache);
    emulator::launch(most * cached_attention_blocks(Heads, KeyValueHeads), 256, [&] {
        cached_attention<Heads, KeyValueHeads, Width, Context>(p.qkv.data(), of.data(), visible.data(), p.cache.data(), output.data(), rows); });
    if (count > 0) hold(what, output, want.output, sizeof(element) == 4 ? 1e-6 : 3e-3, [](size_t) { return true; });
    constexpr int Splits = 3;
    std::vector<float> partials(size_t(most) * Heads * Splits * (Width + 2), NAN);
    std::vector<element> split(output.size(), from_float<element>(NAN));
    emulator::launch(most * cached_attention_blocks(Heads, KeyValueHeads) * Splits, 256, [&] {
        cached_attention_split<Heads, KeyValueHeads, Width, Context, Splits>(p.qkv.data(), of.data(), visible.data(), p.cache.data(), partials.data(), rows); });
    emulator::launch(ceil_div(most * Heads, 8), 256, [&] { cached_attention_combine<Heads, Width, Splits>(partials.data(), split.data(), rows); });
    if (count > 0) hold(what + ", split", split, want.output, sizeof(element) == 4 ? 1e-6 : 3e-3, [](size_t) { return true; });
    size_t written = size_t(count) * Heads * Width;
    hold_equal(what + " past the count", std::vector<element>(output.begin() + written, output.end()), std::vector<element>(untouched.begin() + written, untouched.end()));
}

int main() {
    check<4, 2, 64, 150>({100, 0, 37}, {2, 0, 1, 1, 2, 0, 1}, 9);
    check<6, 1, 128, 300>({290, 5}, {0, 1, 0}, 3);
    check<3, 1, 6, 40>({0, 39}, {0, 1, 0, 0}, 4);
    check<2, 2, 46, 80>({70}, {0, 0}, 5);
    check<5, 1, 256, 40>({33, 1}, {1, 0}, 2);
    check<1, 1, 8, 700>({600, 300, 0}, {0}, 2);
    check<2, 1, 16, 9>({3, 4}, {}, 3);
    std::vector<int> many(200);
    for (size_t i = 0; i < many.size(); i++) many[i] = int(i * i % 7 % 3);
    check<2, 1, 4, 250>({1, 20, 3}, many, 200);
    return failures == 0 ? 0 : 1;
}
