// families: linear_stores linear_sm80 linear_groups linear_grouped_sm80
#include "grouped_reference.h"

constexpr int Blocks = 2;  // fewer than there are tiles

template <int Columns, size_t Count> void forward(const int (&counts)[Count], int outputs, int inputs) {
    using Tile = LinearTile80<Columns, false, false>;
    auto all = groups_of_rows(counts, outputs, inputs, false, Tile::Rows);
    auto y = poisoned<element>(all.c.size() + size_t(Behind) * outputs);
    emulator::launch(Blocks, Tile::Threads, [&] {
        linear_grouped_sm80<Tile, int(Count)>(all.a.data(), inputs, all.b.data(), inputs, all.starts.data(), outputs, inputs, outputs, StoreElement{y.data(), outputs});
    });
    hold_product(describe_groups("sm80", "forward", all, outputs, inputs), y, all.c);
}

template <int Columns, size_t Count> void input_gradient(const int (&counts)[Count], int outputs, int inputs) {
    using Tile = LinearTile80<Columns, false, true>;
    auto all = groups_of_rows(counts, inputs, outputs, true, Tile::Rows);
    auto residual = some_floats(all.c.size() + size_t(Behind) * inputs), dx = poisoned<float>(residual.size());
    emulator::launch(Blocks, Tile::Threads, [&] {
        linear_grouped_sm80<Tile, int(Count)>(all.a.data(), outputs, all.b.data(), inputs, all.starts.data(), inputs, outputs, outputs, AddTo<float, float>{residual.data(), dx.data(), inputs});
    });
    hold_product(describe_groups("sm80", "input gradient", all, inputs, outputs), dx, plus(all.c, residual));
}

template <int Columns, size_t Count> void weight_gradient(const int (&counts)[Count], int outputs, int inputs) {
    using Tile = LinearTile80<Columns, true, true>;
    auto all = groups_of_sums(counts, outputs, inputs);
    auto before = some_floats(all.c.size()), gradient = before;
    auto run = [&](bool add) {
        emulator::launch(Blocks, Tile::Threads, [&] { linear_grouped_wgrad_sm80<Tile, int(Count)>(all.a.data(), all.b.data(), all.starts.data(), gradient.data(), outputs, inputs, add); });
    };
    auto what = describe_groups("sm80", "weight gradient", all, outputs, inputs);
    run(true);
    hold_product(what, gradient, plus(all.c, before));
    gradient = poisoned<float>(all.c.size());
    run(false);
    hold_product(what + ", stored", gradient, all.c);
}

int main() {
    forward<256>({200, 0, 128, 1}, 264, 200);
    forward<64>({0, 0, 70}, 136, 64);
    input_gradient<128>({140, 128, 0, 7, 90}, 136, 320);
    input_gradient<64>({40, 200}, 64, 72);
    weight_gradient<256>({100, 0, 333, 64}, 136, 264);
    weight_gradient<128>({0, 70, 0}, 200, 136);
    return failures == 0 ? 0 : 1;
}
