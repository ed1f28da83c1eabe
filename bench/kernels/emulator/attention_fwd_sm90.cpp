// families: attention attention_sm90 attention_fwd_sm90
template <class Tile> void check(int batch, int length, int blocks) {
    using Shape = typename Tile::Shape;
    auto p = make_problem(batch, length, Shape::Heads, Shape::KeyValueHeads, Shape::Width);
    std::vector<bf16> output(p.output.size(), poison());
    std::vector<float> lse(p.lse.size(), NAN);
    auto qkv = map_of(p.qkv, p, p.columns()), o = map_of(output, p, p.heads * p.width);
    emulator::launch(blocks, Tile::Threads, [&] { attention_fwd_sm90<Tile>(qkv, o, lse.data(), length, batch, p.scale()); });
    hold_output("forward sm90, " + describe(p, ", tile " + std::to_string(Tile::Rows) + " x " + std::to_string(Tile::Keys)), p, output, lse);
}

int main() {
    using Grouped = AttentionHeads<64, 2, 1>;
    using Wide = AttentionHeads<128, 2, 1>;
    check<AttentionForwardTile<Grouped, 3, 128, 3, false>>(2, 250, 3);
    check<AttentionForwardTile<Grouped, 3, 64, 3, false>>(2, 250, 3);
    check<AttentionForwardTile<Grouped, 2, 128, 2, true>>(1, 300, 2);
    check<AttentionForwardTile<Grouped, 4, 64, 4, false>>(2, 300, 2);
    check<AttentionForwardTile<Grouped, 3, 128, 2, false>>(3, 7, 2);
    check<AttentionForwardTile<Wide, 2, 128, 2, true>>(2, 330, 3);
    check<AttentionForwardTile<Wide, 3, 64, 3, false>>(1, 180, 1);
    check<AttentionForwardTile<Grouped, 4, 64, 8, false, 2>>(3, 250, 2);
    check<AttentionForwardTile<Wide, 2, 64, 4, false, 2>>(2, 330, 3);
    check<AttentionForwardFor<AttentionHeads<64, 4, 4>, 512>>(9, 330, 13);  // more than one group of heads
    return failures == 0 ? 0 : 1;
}
