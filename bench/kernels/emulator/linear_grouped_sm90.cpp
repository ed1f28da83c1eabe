// families: linear_stores linear_sm90 linear_epilogues_sm90 linear_groups linear_grouped_sm90
#include "grouped_reference.h"

constexpr int Blocks = 2;  // fewer than there are tiles

TensorMap map_of(std::vector<bf16>& matrix, int columns, int rows, int box_rows) { return TensorMap{reinterpret_cast<unsigned char*>(matrix.data()), columns, rows, 1, box_rows}; }

template <class Tile, size_t Count> void rows_of_groups(const char* what, const int (&counts)[Count], int n, int k, int height) {
    auto all = groups_of_rows(counts, n, k, Tile::MnMajorB, Tile::Rows);
    auto y = poisoned<bf16>(all.c.size() + size_t(Behind) * n);
    int weights = int(Count) * height;
    TensorMap a = map_of(all.a, k, all.rows(), Tile::Rows), c = map_of(y, n, all.rows(), 64);
    TensorMap b = Tile::MnMajorB ? map_of(all.b, n, weights, 64) : map_of(all.b, k, weights, Tile::Columns);
    emulator::launch(Blocks, Tile::Threads, [&] { linear_grouped_sm90<Tile, int(Count)>(a, b, all.starts.data(), n, k, height, StoreBf16{c}); });
    hold_product(describe_groups("sm90", what, all, n, k), y, all.c);
}

template <int Columns, size_t Count> void forward(const int (&counts)[Count], int outputs, int inputs) {
    rows_of_groups<LinearTile<Columns, false, false, 3, 1>>("forward", counts, outputs, inputs, outputs);
}

template <int Columns, size_t Count> void input_gradient(const int (&counts)[Count], int outputs, int inputs) {
    rows_of_groups<LinearTile<Columns, false, true, 3, 1>>("input gradient", counts, inputs, outputs, outputs);
}

template <int Columns, int Consumers, size_t Count> void weight_gradient(const int (&counts)[Count], int outputs, int inputs) {
    using Tile = LinearTile<Columns, true, true, 3, 1, 8, Consumers>;
    auto all = groups_of_sums(counts, outputs, inputs);
    TensorMap a = map_of(all.a, outputs, all.rows(), 64), b = map_of(all.b, inputs, all.rows(), 64);
    auto before = some_floats(all.c.size()), gradient = before;
    auto run = [&](bool add) { emulator::launch(Blocks, Tile::Threads, [&] { linear_grouped_wgrad_sm90<Tile, int(Count)>(a, b, all.starts.data(), gradient.data(), outputs, inputs, add); }); };
    auto what = describe_groups("sm90", "weight gradient", all, outputs, inputs);
    run(true);
    hold_product(what, gradient, plus(all.c, before));
    gradient = poisoned<float>(all.c.size());
    run(false);
    hold_product(what + ", stored", gradient, all.c);
}

int main() {
    forward<256>({200, 0, 128, 1}, 264, 200);
    forward<128>({0, 0, 70}, 136, 64);
    forward<192>({300}, 200, 72);
    input_gradient<192>({140, 128, 0, 7, 90}, 136, 320);
    input_gradient<64>({40, 200}, 64, 72);
    weight_gradient<256, 2>({100, 0, 333, 64}, 136, 264);
    weight_gradient<128, 3>({0, 70, 0}, 200, 136);
    return failures == 0 ? 0 : 1;
}
