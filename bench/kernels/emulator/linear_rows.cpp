// families: linear_stores linear_rows
// precisions: both
#include "linear_reference.h"

// `rows` of at most `most` rows.
template <int MaxRows, int Outputs, int Inputs, bool Ahead = false> void check(int rows, int most = MaxRows) {
    auto p = make_product(rows, Outputs, Inputs, false, false);
    Rows counted{&p.m, most};
    auto y = poisoned<element>(p.c.size());
    auto z = poisoned<float>(p.c.size()), old = some_floats(p.c.size() + 1), bias = some_floats(Outputs), sum = z, biased = z;
    int blocks = ceil_div(Outputs, 16);
    emulator::launch(blocks, 256, [&] { linear_rows<MaxRows, Outputs, Inputs, Ahead>(p.a.data(), p.b.data(), counted, StoreElement{y.data(), Outputs}); });
    emulator::launch(blocks, 256, [&] { linear_rows<MaxRows, Outputs, Inputs>(p.a.data(), p.b.data(), counted, StoreFloat{z.data(), Outputs}); });
    emulator::launch(blocks, 256, [&] { linear_rows<MaxRows, Outputs, Inputs>(p.a.data(), p.b.data(), counted, StoreBias<float>{biased.data(), bias.data(), Outputs}); });
    emulator::launch(blocks, 256, [&] { linear_rows<MaxRows, Outputs, Inputs>(p.a.data(), p.b.data(), counted, AddTo<float, float>{old.data(), sum.data(), Outputs}); });
    auto what = describe("rows", ("of " + std::to_string(MaxRows)).c_str(), p);
    hold_product(what, y, p.c);
    hold_product(what + " as float", z, p.c);
    hold_product(what + " with bias", biased, plus(p.c, bias));
    hold_product(what + " added", sum, plus(p.c, old));
}

// With no rows nothing is read, for there are no operands, and nothing written.
void check_none() {
    int none = 0;
    auto y = poisoned<float>(0);
    emulator::launch(1, 256, [&] { linear_rows<8, 16, 64>(nullptr, nullptr, Rows{&none, 8}, StoreFloat{y.data(), 16}); });
    bool written = std::any_of(y.begin(), y.end(), [](float v) { return v == v; });
    if (written) failures++;
    std::printf("%-7srows of 8, none\n", written ? "FAILED" : "ok");
}

int main() {
    check<32, 48, 1024, true>(32);
    check<32, 257, 200>(19);
    check<16, 16, 33>(9);
    check<8, 1, 64>(8);
    check<8, 40, 2816>(3, 3);
    check<1, 31, 96>(1);
    check<16, 5, 7>(16);
    check<32, 18, 36>(31);
    check_none();
    return failures == 0 ? 0 : 1;
}
