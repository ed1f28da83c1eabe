// families: embedding
#include "values.h"

// Text is skewed: a few tokens are everywhere.
template <int Vocabulary, int Width> void check(int rows, int power) {
    std::string name = std::to_string(rows) + " rows, " + std::to_string(Vocabulary) + " tokens, width " + std::to_string(Width);
    Values<int> tokens(rows), starts(Vocabulary + 1), order(rows);
    for (int i = 0; i < rows; i++) tokens[i] = std::min(Vocabulary - 1, int(pow(double(emulator::chance()) / 4294967296.0, power) * Vocabulary));
    auto table = Values<float>(i64(std::min(Vocabulary, 60000)) * Width).random();
    for (int i = 0; i < rows; i++) tokens[i] = tokens[i] < Vocabulary - 5 ? tokens[i] : Vocabulary - 1 - (i & 3) % Vocabulary;
    std::vector<int> listed(static_cast<size_t>(rows)), begins(size_t(Vocabulary) + 1);
    for (int i = 0; i < rows; i++) {
        listed[size_t(i)] = i;
        for (int t = tokens[i] + 1; t <= Vocabulary; t++) begins[size_t(t)]++;
    }
    std::sort(listed.begin(), listed.end(), [&](int a, int b) { return tokens[a] != tokens[b] ? tokens[a] < tokens[b] : a < b; });
    emulator::launch(ceil_div(Vocabulary, EmbeddingRange) * embedding_parts(Vocabulary), 1024, [&] { embedding_order<Vocabulary>(tokens.data(), starts.data(), order.data(), rows); });
    hold_equal("positions by token, " + name, order, listed);
    hold_equal("where tokens begin, " + name, starts, begins);
    if (Vocabulary > 60000) return;

    Values<float> stream(i64(rows) * Width);
    std::vector<double> looked;
    auto d = Values<float>(stream.size()).random();
    auto gradient = Values<float>(table.size()).random();
    auto want = gradient.wide();
    for (i64 i = 0; i < stream.size(); i++) {
        looked.push_back(table[tokens[i / Width] * i64(Width) + i % Width]);
        want[size_t(tokens[i / Width] * i64(Width) + i % Width)] += d[i];
    }
    emulator::launch(ceil_div(rows * Width, 2048), 256, [&] { embedding_fwd<Width>(tokens.data(), table.data(), stream.data(), Rows{nullptr, rows}); });
    hold("embedding " + name, stream, looked, 0.0);
    int chunks = ceil_div(rows, EmbeddingChunk);
    Values<float> partials(i64(chunks) * 2 * Width);
    emulator::launch(chunks, 64, [&] { embedding_chunk_sums<Width>(tokens.data(), starts.data(), order.data(), d.data(), gradient.data(), partials.data(), rows); });
    emulator::launch(chunks, 64, [&] { embedding_long_sums<Width>(tokens.data(), starts.data(), order.data(), partials.data(), gradient.data(), rows); });
    hold("embedding back " + name, gradient, want);
}

int main() {
    check<257, 64>(1000, 4);
    check<3, 33>(700, 1);
    check<256, 64>(2500, 3);
    check<256, 8>(33000, 4);
    check<50000, 10>(333, 6);
    check<1, 512>(40, 1);
    check<64, 1>(5, 1);
    check<120000, 1>(900, 1);
    return failures == 0 ? 0 : 1;
}
