// families: linear_sm90 linear_overlapped_sm90 linear_overlapped_epilogues_sm90
#include "linear_reference.h"

TensorMap map_of(std::vector<bf16>& matrix, int columns, int rows, int box_rows) { return TensorMap{reinterpret_cast<unsigned char*>(matrix.data()), columns, rows, 1, box_rows}; }

// A block that makes all tiles, blocks that make some, and blocks without any; clusters are of one block here.
constexpr int Grids[] = {1, 2, 9};

template <class Tile, class Make> void run(Product64& p, int blocks, const Make& make) {
    TensorMap a = map_of(p.a, p.k, p.m, Tile::Rows);
    TensorMap b = Tile::MnMajorB ? map_of(p.b, p.n, p.k, 64) : map_of(p.b, p.k, p.n, Tile::Split > 0 ? Tile::Columns / 2 : Tile::Columns);
    emulator::launch(blocks, 384, [&] { linear_overlapped_sm90<Tile>(a, b, p.m, p.n, p.k, make()); });
}

std::string named(const char* what, const Product64& p, int blocks) { return describe("sm90 overlapped", what, p) + ", " + std::to_string(blocks) + " blocks"; }

// Branches are the (rows, 2 F) product, F of the gate and F of the other; H = silu(gate) . up.
template <int F> void swiglu(int rows, int inputs) {
    using Tile = LinearTile<256, false, false, 3, 1, 8, 2, F>;
    auto p = make_product(rows, 2 * F, inputs, false, false);
    for (auto& x : p.b) x = to_bf16(to_float(x) / 16);
    for (auto& x : p.c) x /= 16;
    std::vector<double> want(size_t(rows) * F);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < F; c++) {
            double gate = p.c[size_t(r) * 2 * F + c], up = p.c[size_t(r) * 2 * F + F + c];
            want[size_t(r) * F + c] = gate / (1 + exp(-gate)) * up;
        }
    for (int blocks : Grids) {
        auto h = poisoned<bf16>(want.size()), branches = poisoned<bf16>(p.c.size());
        run<Tile>(p, blocks, [&] { return OverlappedSwiGlu{h.data(), branches.data(), F}; });
        hold_product(named("SwiGLU", p, blocks), h, want);
        hold_product(named("SwiGLU's branches", p, blocks), branches, p.c);
    }
}

// Gradients take the place of the branches.
void swiglu_gradient(int rows, int f, int outputs) {
    using Tile = LinearTile<256, false, true, 3, 1>;
    auto p = make_product(rows, f, outputs, false, true);
    auto values = some_floats(size_t(rows) * 2 * f);
    std::vector<double> want(values.size());
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < f; c++) {
            size_t at = size_t(r) * 2 * f + c;
            double g = as_double(to_bf16(values[at])), u = as_double(to_bf16(values[at + f])), s = 1 / (1 + exp(-g)), d = p.c[size_t(r) * f + c];
            want[at] = d * u * s * (1 + g * (1 - s));
            want[at + f] = d * g * s;
        }
    for (int blocks : Grids) {
        auto branches = poisoned<bf16>(want.size());
        for (size_t i = 0; i < want.size(); i++) branches[i] = to_bf16(values[i]);
        run<Tile>(p, blocks, [&] { return OverlappedSwiGluGradient{branches.data(), branches.data(), f}; });
        hold_product(named("SwiGLU's gradient", p, blocks), branches, want);
    }
}

int main() {
    swiglu<320>(150, 128);
    swiglu<72>(300, 64);
    swiglu_gradient(150, 328, 136);
    swiglu_gradient(300, 264, 400);
    return failures == 0 ? 0 : 1;
}
