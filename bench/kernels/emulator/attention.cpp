// families: attention attention_rows attention_tiles attention_fwd attention_bwd
template <int Width, int Heads, int KeyValueHeads> void check(int batch, int length) {
    using Tile = AttentionTile<AttentionHeads<Width, Heads, KeyValueHeads>>;
    auto p = make_problem(batch, length, Heads, KeyValueHeads, Width);
    std::vector<bf16> output(p.output.size(), poison()), dqkv(p.qkv.size(), poison());
    std::vector<float> lse(p.lse.size(), NAN), rows(size_t(2 * batch * Heads * attention_padded(length)), NAN);
    AttentionForward forward{p.qkv.data(), output.data(), lse.data(), length, batch, p.scale()};
    AttentionBackward backward{output.data(), p.doutput.data(), lse.data(), rows.data(), length, batch, p.scale()};
    int tiles = ceil_div(length, Tile::Rows);
    emulator::launch(tiles * Heads * batch, Tile::Threads, [&] { attention_fwd<Tile>(forward); });
    emulator::launch(tiles * Heads * batch, Tile::Threads, [&] { attention_bwd_queries<Tile>(backward, p.qkv.data(), dqkv.data()); });
    emulator::launch(tiles * KeyValueHeads * batch, Tile::Threads, [&] { attention_bwd_keys<Tile>(backward, p.qkv.data(), dqkv.data()); });
    hold_output("portable, " + describe(p, ""), p, output, lse);
    hold_gradients("portable, " + describe(p, ""), p, dqkv);
}

int main() {
    check<64, 2, 1>(2, 150);
    check<32, 4, 2>(1, 64);
    check<96, 2, 2>(1, 130);
    check<128, 2, 1>(1, 100);
    check<64, 1, 1>(2, 7);
    return failures == 0 ? 0 : 1;
}
