// families: linear_stores elementwise linear_sm90 linear_epilogues_sm90 linear_fused_epilogues_sm90
#include "linear_reference.h"

constexpr int Blocks = 2;  // fewer than there are tiles, so that a block makes several; clusters are of one block here

TensorMap map_of(std::vector<bf16>& matrix, int columns, int rows, int box_rows) { return TensorMap{reinterpret_cast<unsigned char*>(matrix.data()), columns, rows, 1, box_rows}; }

template <class Tile> TensorMap map_a(Product64& p) { return Tile::MnMajorA ? map_of(p.a, p.m, p.k, 64) : map_of(p.a, p.k, p.m, Tile::Rows); }
template <class Tile> TensorMap map_b(Product64& p) { return Tile::MnMajorB ? map_of(p.b, p.n, p.k, 64) : map_of(p.b, p.k, p.n, Tile::Columns); }

template <class Tile> std::string named(const char* what, const Product64& p) { return describe("sm90", what, p) + ", " + std::to_string(Tile::Rows) + " x " + std::to_string(Tile::Columns); }

template <class Tile, class Make> void run(Product64& p, int slices, int blocks, const Make& make) {
    TensorMap a = map_a<Tile>(p), b = map_b<Tile>(p);
    emulator::launch(blocks, Tile::Threads, [&] { linear_sm90<Tile>(a, b, p.m, p.n, p.k, slices, make()); });
}

template <int Columns> void forward(int rows, int outputs, int inputs) {
    using Tile = LinearTile<Columns, false, false, 3, 1>;
    auto p = make_product(rows, outputs, inputs, false, false);
    auto y = poisoned<bf16>(p.c.size());
    TensorMap map = map_of(y, outputs, rows, 64);
    run<Tile>(p, 1, Blocks, [&] { return StoreBf16{map}; });
    hold_product(named<Tile>("forward", p), y, p.c);
    auto residual = some_floats(p.c.size()), sum = poisoned<float>(p.c.size());
    AddTo<float, float> add{residual.data(), sum.data(), outputs};
    run<Tile>(p, 1, Blocks, [&] { return RowStore<AddTo<float, float>>{add, rows, outputs}; });
    hold_product(named<Tile>("forward, added", p), sum, plus(p.c, residual));
    std::vector<bf16> rounded, rounded_sum = poisoned<bf16>(p.c.size());
    for (float x : residual) rounded.push_back(to_bf16(x));
    AddTo<bf16, bf16> of_elements{rounded.data(), rounded_sum.data(), outputs};
    run<Tile>(p, 1, Blocks, [&] { return RowStore<AddTo<bf16, bf16>>{of_elements, rows, outputs}; });
    hold_product(named<Tile>("forward, elements added", p), rounded_sum, plus(p.c, rounded));
    std::vector<float> bias(residual.begin(), residual.begin() + outputs), with_bias = poisoned<float>(p.c.size());
    StoreBias<float> add_bias{with_bias.data(), bias.data(), outputs};
    run<Tile>(p, 1, Blocks, [&] { return RowStore<StoreBias<float>>{add_bias, rows, outputs}; });
    hold_product(named<Tile>("forward, with a bias", p), with_bias, plus(p.c, bias));
    AddTo<float, float> in_place{residual.data(), residual.data(), outputs};
    auto want = plus(p.c, residual);
    run<Tile>(p, 1, Blocks, [&] { return RowStore<AddTo<float, float>>{in_place, rows, outputs}; });
    hold_product(named<Tile>("forward, added in place", p), residual, want);
}

template <int Columns> void input_gradient(int rows, int outputs, int inputs) {
    using Tile = LinearTile<Columns, false, true, 4, 1>;
    auto p = make_product(rows, inputs, outputs, false, true);
    auto dx = poisoned<float>(p.c.size());
    StoreFloat store{dx.data(), inputs};
    run<Tile>(p, 1, Blocks, [&] { return RowStore<StoreFloat>{store, rows, inputs}; });
    hold_product(named<Tile>("input gradient", p), dx, p.c);
}

// A block a unit, since a block may only wait for blocks before it, where `blocks` is 0.
template <int Columns, int Consumers> void weight_gradient(int rows, int outputs, int inputs, int slices, int blocks = 0) {
    using Tile = LinearTile<Columns, true, true, 3, 1, 8, Consumers>;
    auto p = make_product(outputs, inputs, rows, true, true);
    auto before = some_floats(p.c.size()), gradient = before;
    int tiles = ceil_div(outputs, Tile::Rows) * ceil_div(inputs, Columns);
    std::vector<u32> turns(size_t(tiles * Consumers), 0);
    run<Tile>(p, slices, blocks > 0 ? blocks : tiles * slices, [&] { return AccumulateF32{gradient.data(), turns.data(), outputs, inputs, true}; });
    hold_product(named<Tile>("weight gradient", p) + ", " + std::to_string(slices) + " slices", gradient, plus(p.c, before));
    gradient = poisoned<float>(p.c.size());
    run<Tile>(p, slices, blocks > 0 ? blocks : tiles * slices, [&] { return AccumulateF32{gradient.data(), turns.data(), outputs, inputs, false}; });
    hold_product(named<Tile>("weight gradient", p) + ", " + std::to_string(slices) + " slices, stored", gradient, p.c);
    for (u32 turn : turns)
        if (turn != 0) { failures++; std::printf("FAILED a turn was left at %u\n", turn); break; }
}

// Slices that leave a matrix each.
template <int Columns> void slices_apart(int rows, int outputs, int inputs, int slices) {
    using Tile = LinearTile<Columns, true, true, 3, 1>;
    auto p = make_product(outputs, inputs, rows, true, true);
    int width = outputs * inputs;
    auto partials = poisoned<float>(size_t(slices) * width), before = some_floats(p.c.size()), gradient = before;
    run<Tile>(p, slices, Blocks, [&] { return WeightGradientF32<true>{partials.data(), nullptr, outputs, inputs, true}; });
    emulator::launch(ceil_div(width, 32), 256, [&] { add_column_partials(partials.data(), gradient.data(), width, slices, 1); });
    hold_product(named<Tile>("weight gradient", p) + ", " + std::to_string(slices) + " slices apart", gradient, plus(p.c, before));
}

// Two heads of queries, one of keys, turned; one of values, not.
template <int Head> void rotary(int rows, int inputs) {
    using Tile = LinearTile<256, false, false, 3, 1>;
    constexpr int Columns = 4 * Head, Turned = 3 * Head, Positions = 50;
    auto p = make_product(rows, Columns, inputs, false, false);
    std::vector<float2> table;
    std::vector<int> positions;
    for (int i = 0; i < Positions; i++)
        for (int j = 0; j < Head / 2; j++) table.push_back({float(cos(i * 0.1 * (j + 1))), float(sin(i * 0.1 * (j + 1)))});
    for (int r = 0; r < rows; r++) positions.push_back(r * 7 % Positions);
    auto want = p.c;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < Turned; c++) {
            int i = c % Head, half = Head / 2;
            float2 turn = table[size_t(positions[r] * half + i % half)];
            const double* head = &p.c[size_t(r) * Columns + c - i];
            want[size_t(r) * Columns + c] = i < half ? head[i] * turn.x - head[i + half] * turn.y : head[i] * turn.x + head[i - half] * turn.y;
        }
    auto y = poisoned<bf16>(p.c.size());
    TensorMap map = map_of(y, Columns, rows, 64);
    run<Tile>(p, 1, Blocks, [&] { return RotaryStore<Head, Turned>{map, positions.data(), table.data(), rows}; });
    hold_product(named<Tile>("rotary", p) + ", heads of " + std::to_string(Head), y, want);
}

int main() {
    forward<256>(300, 264, 200);
    forward<192>(130, 200, 64);
    forward<128>(70, 136, 64);
    forward<64>(20, 72, 136);
    input_gradient<192>(150, 136, 320);
    input_gradient<64>(40, 72, 72);
    weight_gradient<256, 2>(333, 136, 264, 1);
    weight_gradient<128, 3>(450, 200, 136, 3);
    weight_gradient<128, 2>(1300, 136, 136, 3);
    weight_gradient<256, 2>(2500, 136, 264, 2);
    weight_gradient<128, 2>(1300, 264, 264, 3, 4);  // two waves of whole tiles and one in slices
    slices_apart<128>(450, 64, 136, 5);
    rotary<16>(40, 64);
    rotary<32>(70, 64);
    rotary<64>(150, 64);
    rotary<128>(100, 64);
    return failures == 0 ? 0 : 1;
}
