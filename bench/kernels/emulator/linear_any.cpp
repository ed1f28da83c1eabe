// families: linear_stores linear_any
// precisions: both
#include "linear_reference.h"

int blocks(int m, int n) { return ceil_div(m, 64) * ceil_div(n, 64); }

// `spare` rows more than there are: what the grid is sized by.
void forward(int rows, int outputs, int inputs, int spare) {
    auto p = make_product(rows, outputs, inputs, false, false);
    Rows counted{&p.m, rows + spare};
    auto y = poisoned<element>(p.c.size());
    emulator::launch(blocks(counted.most, outputs), 256, [&] { linear_any<false, false>(p.a.data(), inputs, p.b.data(), inputs, counted, outputs, inputs, StoreElement{y.data(), outputs}); });
    hold_product(describe("any", "forward", p), y, p.c);

    auto bias = some_floats(size_t(outputs)), z = poisoned<float>(p.c.size());
    emulator::launch(blocks(rows, outputs), 256, [&] { linear_any<false, false>(p.a.data(), inputs, p.b.data(), inputs, rows, outputs, inputs, StoreBias<float>{z.data(), bias.data(), outputs}); });
    hold_product(describe("any", "forward with bias", p), z, plus(p.c, bias));
}

void input_gradient(int rows, int outputs, int inputs) {
    auto p = make_product(rows, inputs, outputs, false, true);
    auto residual = some_floats(p.c.size()), dx = poisoned<float>(p.c.size());
    emulator::launch(blocks(rows, inputs), 256, [&] { linear_any<false, true>(p.a.data(), outputs, p.b.data(), inputs, rows, inputs, outputs, AddTo<float, float>{residual.data(), dx.data(), inputs}); });
    hold_product(describe("any", "input gradient", p), dx, plus(p.c, residual));
}

void weight_gradient(int rows, int outputs, int inputs) {
    auto p = make_product(outputs, inputs, rows, true, true);
    auto before = some_floats(p.c.size()), gradient = before;
    Rows counted{&p.k, rows + 100};
    emulator::launch(blocks(outputs, inputs), 256, [&] { linear_any<true, true>(p.a.data(), outputs, p.b.data(), inputs, outputs, inputs, counted, Accumulate{gradient.data(), inputs, true}); });
    hold_product(describe("any", "weight gradient", p), gradient, plus(p.c, before));
    gradient = poisoned<float>(p.c.size());
    emulator::launch(blocks(outputs, inputs), 256, [&] { linear_any<true, true>(p.a.data(), outputs, p.b.data(), inputs, outputs, inputs, counted, Accumulate{gradient.data(), inputs, false}); });
    if (rows > 0) hold_product(describe("any", "weight gradient, stored", p), gradient, p.c);
}

int main() {
    forward(70, 257, 33, 130);
    forward(1, 1, 1, 0);
    forward(128, 64, 256, 0);
    input_gradient(65, 7, 129);
    input_gradient(3, 300, 64);
    weight_gradient(300, 3, 65);
    weight_gradient(1000, 64, 128);
    weight_gradient(0, 5, 9);
    return failures == 0 ? 0 : 1;
}
