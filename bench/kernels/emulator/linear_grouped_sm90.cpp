// families: linear_stores linear_sm90 linear_epilogues_sm90 linear_grouped_sm90
#include "linear_reference.h"

constexpr int Blocks = 2, Behind = 64;  // fewer blocks than tiles; rows behind the last group's

TensorMap map_of(std::vector<bf16>& matrix, int columns, int rows, int box_rows) { return TensorMap{reinterpret_cast<unsigned char*>(matrix.data()), columns, rows, 1, box_rows}; }

// What groups of `counts` rows have between them, each group's rows padded to whole tiles of `each`.
struct Groups64 {
    std::vector<int> starts{0};
    std::vector<bf16> batch_a, batch_b, weights;  // (rows, outputs or inputs), the weight gradient's other operand, (groups, outputs, inputs)
    std::vector<double> batch_c, weight_c;        // results by rows of the batch, and by groups
    int rows() const { return starts.back() + Behind; }
};

void append_rows(std::vector<bf16>& to, const std::vector<bf16>& from, int rows, int padded, int width) {
    to.insert(to.end(), from.begin(), from.begin() + i64(rows) * width);
    to.insert(to.end(), size_t(padded - rows) * width, bf16{0});
}

// Rows of the batch by one matrix a group: C = A . W[g]^T (or A . W[g], its rows then being those of the reduction).
Groups64 by_rows(const std::vector<int>& counts, int n, int k, bool mn_major_b, int each) {
    Groups64 all;
    for (int count : counts) {
        int padded = ceil_div(count, each) * each;
        auto p = make_product(count, n, k, false, mn_major_b);
        append_rows(all.batch_a, p.a, count, padded, k);
        all.weights.insert(all.weights.end(), p.b.begin(), p.b.end());
        all.batch_c.insert(all.batch_c.end(), p.c.begin(), p.c.end());
        all.batch_c.insert(all.batch_c.end(), size_t(padded - count) * n, 0.0);
        all.starts.push_back(all.starts.back() + padded);
    }
    all.batch_a.insert(all.batch_a.end(), size_t(Behind) * k, poison());
    return all;
}

template <class Tile, size_t Count> void rows_of_groups(const char* what, const int (&counts)[Count], int n, int k, int height) {
    auto all = by_rows({counts, counts + Count}, n, k, Tile::MnMajorB, Tile::Rows);
    auto y = poisoned<bf16>(all.batch_c.size() + size_t(Behind) * n);
    int groups_rows = int(Count) * height;
    TensorMap a = map_of(all.batch_a, k, all.rows(), Tile::Rows), c = map_of(y, n, all.rows(), 64);
    TensorMap b = Tile::MnMajorB ? map_of(all.weights, n, groups_rows, 64) : map_of(all.weights, k, groups_rows, Tile::Columns);
    emulator::launch(Blocks, Tile::Threads, [&] { linear_grouped_sm90<Tile, int(Count)>(a, b, all.starts.data(), n, k, height, StoreBf16{c}); });
    hold_product(std::string("sm90 grouped ") + what + " " + std::to_string(all.starts.back()) + " x " + std::to_string(n) + " x " + std::to_string(k), y, all.batch_c);
}

template <int Columns, size_t Count> void forward(const int (&counts)[Count], int outputs, int inputs) {
    rows_of_groups<LinearTile<Columns, false, false, 3, 1>>("forward", counts, outputs, inputs, outputs);
}

template <int Columns, size_t Count> void input_gradient(const int (&counts)[Count], int outputs, int inputs) {
    rows_of_groups<LinearTile<Columns, false, true, 3, 1>>("input gradient", counts, inputs, outputs, outputs);
}

template <int Columns, int Consumers, size_t Count> void weight_gradient(const int (&counts)[Count], int outputs, int inputs) {
    using Tile = LinearTile<Columns, true, true, 3, 1, 8, Consumers>;
    Groups64 all;
    for (int count : counts) {
        int padded = ceil_div(count, 64) * 64;
        auto p = make_product(outputs, inputs, count, true, true);
        append_rows(all.batch_a, p.a, count, padded, outputs);
        append_rows(all.batch_b, p.b, count, padded, inputs);
        all.weight_c.insert(all.weight_c.end(), p.c.begin(), p.c.end());
        all.starts.push_back(all.starts.back() + padded);
    }
    append_rows(all.batch_a, {}, 0, Behind, outputs);
    append_rows(all.batch_b, std::vector<bf16>(size_t(Behind) * inputs, poison()), Behind, Behind, inputs);
    TensorMap a = map_of(all.batch_a, outputs, all.rows(), 64), b = map_of(all.batch_b, inputs, all.rows(), 64);
    auto before = some_floats(all.weight_c.size()), gradient = before;
    auto run = [&](bool add) { emulator::launch(Blocks, Tile::Threads, [&] { linear_grouped_wgrad_sm90<Tile, int(Count)>(a, b, all.starts.data(), gradient.data(), outputs, inputs, add); }); };
    std::string what = "sm90 grouped weight gradient " + std::to_string(outputs) + " x " + std::to_string(inputs) + " x " + std::to_string(all.starts.back());
    run(true);
    hold_product(what, gradient, plus(all.weight_c, before));
    gradient = poisoned<float>(all.weight_c.size());
    run(false);
    hold_product(what + ", stored", gradient, all.weight_c);
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
