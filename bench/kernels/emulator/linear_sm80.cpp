// families: linear_stores linear_sm80
#include "linear_reference.h"

template <class Tile> std::string named(const char* pass, const Product64& p, int grid) {
    return describe("sm80", pass, p) + ", 128 x " + std::to_string(Tile::Columns) + " of " + std::to_string(Tile::Threads) + " threads, " + std::to_string(grid) + " blocks";
}

// `grid` blocks: a block a tile where 0.
template <class Tile> int grid_of(int m, int n, int slices, int grid) { return grid > 0 ? grid : ceil_div(m, Tile::Rows) * ceil_div(n, Tile::Columns) * slices; }

template <int Columns, int Threads = 256, int Stages = 4> void forward(int rows, int outputs, int inputs, int grid) {
    using Tile = LinearTile80<Columns, false, false, Stages, 8, Threads>;
    auto p = make_product(rows, outputs, inputs, false, false);
    Rows counted{&p.m, rows + 200};
    auto y = poisoned<element>(p.c.size());
    grid = grid_of<Tile>(counted.most, outputs, 1, grid);
    emulator::launch(grid, Threads, [&] { linear_sm80<Tile>(p.a.data(), inputs, p.b.data(), inputs, counted, outputs, inputs, StoreElement{y.data(), outputs}); });
    hold_product(named<Tile>("forward", p, grid), y, p.c);
    auto wide = poisoned<float>(p.c.size());
    emulator::launch(grid, Threads, [&] { linear_sm80<Tile>(p.a.data(), inputs, p.b.data(), inputs, counted, outputs, inputs, StoreFloat{wide.data(), outputs}); });
    hold_product(named<Tile>("forward to float32", p, grid), wide, p.c);
}

template <int Columns, int Threads = 256, int Stages = 4> void input_gradient(int rows, int outputs, int inputs, int grid) {
    using Tile = LinearTile80<Columns, false, true, Stages, 8, Threads>;
    auto p = make_product(rows, inputs, outputs, false, true);
    auto residual = some_floats(p.c.size()), dx = poisoned<float>(p.c.size());
    grid = grid_of<Tile>(rows, inputs, 1, grid);
    emulator::launch(grid, Threads, [&] { linear_sm80<Tile>(p.a.data(), outputs, p.b.data(), inputs, rows, inputs, outputs, AddTo<float, float>{residual.data(), dx.data(), inputs}); });
    hold_product(named<Tile>("input gradient", p, grid), dx, plus(p.c, residual));
}

// The blocks of the emulator run one after the other, so a block may only wait for blocks before it: a block a unit.
template <int Columns, int Threads = 256, int Stages = 4> void weight_gradient(int rows, int outputs, int inputs, int slices, int grid = 0) {
    using Tile = LinearTile80<Columns, true, true, Stages, 2, Threads>;
    auto p = make_product(outputs, inputs, rows, true, true);
    auto before = some_floats(p.c.size()), gradient = before;
    Rows counted{&p.k, rows + 100};
    std::vector<u32> turns(size_t(ceil_div(outputs, 128) * ceil_div(inputs, Columns)), 0);
    grid = grid_of<Tile>(outputs, inputs, slices, grid);
    auto run = [&](bool add) {
        emulator::launch(grid, Threads, [&] { linear_sm80<Tile>(p.a.data(), outputs, p.b.data(), inputs, outputs, inputs, counted, Accumulate{gradient.data(), inputs, add}, slices, turns.data()); });
    };
    auto what = named<Tile>("weight gradient", p, grid) + ", " + (slices > 0 ? std::to_string(slices) + " slices" : "divided evenly");
    run(true);
    hold_product(what, gradient, plus(p.c, before));
    gradient = poisoned<float>(p.c.size());
    run(false);
    if (rows > 0) hold_product(what + ", stored", gradient, p.c);
    for (u32 turn : turns)
        if (turn != 0) { failures++; std::printf("FAILED a turn was left at %u\n", turn); break; }
}

int main() {
    forward<256>(300, 264, 200, 0);
    forward<256>(300, 520, 72, 2);
    forward<128>(77, 136, 64, 1);
    forward<64>(130, 40, 104, 2);
    forward<128, 128, 3>(140, 200, 256, 3);
    input_gradient<256>(150, 136, 320, 0);
    input_gradient<128>(129, 8, 128, 1);
    input_gradient<64>(40, 72, 72, 0);
    input_gradient<128, 128, 3>(260, 64, 200, 2);
    weight_gradient<256>(333, 136, 264, 1);
    weight_gradient<256>(333, 136, 264, 1, 1);
    weight_gradient<256>(450, 136, 264, 3);
    weight_gradient<128>(65, 264, 72, 5);
    weight_gradient<64>(7, 8, 8, 1);
    weight_gradient<128, 128, 3>(200, 136, 136, 2);
    weight_gradient<128>(0, 136, 136, 2);
    // Slices that run at once, each longer than the one before; and too many units for that.
    weight_gradient<128>(1300, 136, 136, 3);
    weight_gradient<256>(2500, 136, 264, 2);
    weight_gradient<64>(1300, 136, 72, 2, 1);
    // Steps of all tiles divided evenly: tiles of one, two and three parts; blocks with none, part of one, several tiles.
    weight_gradient<256>(450, 136, 264, 0, 5);
    weight_gradient<128>(450, 264, 264, 0, 13);
    weight_gradient<128>(450, 264, 264, 0, 2);
    weight_gradient<64>(200, 136, 72, 0, 40);
    weight_gradient<128>(0, 136, 136, 0, 3);
    return failures == 0 ? 0 : 1;
}
