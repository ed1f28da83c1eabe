// families: linear_stores elementwise linear_outputs
// precisions: both
#include "linear_reference.h"

// `spare` rows more than there are: what the launch knows.
template <int Outputs, int Inputs> void forward(int rows, int blocks, int spare = 0) {
    auto p = make_product(rows, Outputs, Inputs, false, false);
    Rows counted{&p.m, rows + spare};
    auto y = poisoned<element>(p.c.size());
    emulator::launch(blocks, 256, [&] { linear_outputs<Outputs, Inputs>(p.a.data(), p.b.data(), counted, StoreElement{y.data(), Outputs}); });
    hold_product(describe("outputs", "forward", p), y, p.c);

    auto bias = some_floats(Outputs), old = some_floats(p.c.size() + 1), z = poisoned<float>(p.c.size()), sum = z;
    emulator::launch(blocks, 256, [&] { linear_outputs<Outputs, Inputs>(p.a.data(), p.b.data(), counted, StoreBias<float>{z.data(), bias.data(), Outputs}); });
    hold_product(describe("outputs", "forward with bias", p), z, plus(p.c, bias));
    emulator::launch(blocks, 256, [&] { linear_outputs<Outputs, Inputs>(p.a.data(), p.b.data(), counted, AddTo<float, float>{old.data(), sum.data(), Outputs}); });
    hold_product(describe("outputs", "forward added", p), sum, plus(p.c, old));
}

template <int Outputs, int Inputs> void input_gradient(int rows, int blocks, int spare = 0) {
    auto p = make_product(rows, Inputs, Outputs, false, true);
    Rows counted{&p.m, rows + spare};
    auto dx = poisoned<element>(p.c.size());
    emulator::launch(blocks, 256, [&] { linear_outputs_dgrad<Outputs, Inputs>(p.a.data(), p.b.data(), dx.data(), counted); });
    hold_product(describe("outputs", "input gradient", p), dx, p.c);
}

template <int Outputs, int Inputs> void weight_gradient(int rows, int blocks, int spare = 0) {
    constexpr int Width = Outputs * Inputs;
    auto p = make_product(Outputs, Inputs, rows, true, true);
    Rows counted{&p.k, rows + spare};
    auto partials = poisoned<float>(size_t(blocks) * Width), before = some_floats(p.c.size()), gradient = before, stored = poisoned<float>(p.c.size());
    emulator::launch(blocks, 256, [&] { linear_outputs_wgrad<Outputs, Inputs>(p.a.data(), p.b.data(), partials.data(), counted); });
    emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), gradient.data(), Width, blocks, 1); });
    hold_product(describe("outputs", "weight gradient", p), gradient, plus(p.c, before));
    emulator::launch(ceil_div(Width, 32), 256, [&] { add_column_partials(partials.data(), stored.data(), Width, blocks, 0); });
    if (rows > 0) hold_product(describe("outputs", "weight gradient, stored", p), stored, p.c);
}

template <int Outputs, int Inputs> void check(int rows, int blocks, int spare = 0) {
    forward<Outputs, Inputs>(rows, blocks, spare);
    input_gradient<Outputs, Inputs>(rows, blocks, spare);
    weight_gradient<Outputs, Inputs>(rows, blocks, spare);
}

int main() {
    check<1, 64>(1000, 3);
    check<8, 1>(300, 1);
    check<2, 512>(70, 2, 100);
    check<3, 33>(129, 4);
    check<5, 2056>(31, 2, 40);
    check<8, 1024>(65, 7);
    check<7, 12>(1, 2);
    weight_gradient<1, 8>(0, 2, 10);
    return failures == 0 ? 0 : 1;
}
