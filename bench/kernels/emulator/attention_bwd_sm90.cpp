// families: attention attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_queries_sm90 attention_bwd_keys_sm90
template <class QueryTile, class KeyTile> void check(int batch, int length, int blocks, bool turned = false) {
    using Shape = typename QueryTile::Shape;
    auto p = make_problem(batch, length, Shape::Heads, Shape::KeyValueHeads, Shape::Width);
    std::vector<bf16> output, dqkv(p.qkv.size(), poison());
    for (double x : p.output) output.push_back(to_bf16(float(x)));
    std::vector<float> lse(p.lse.begin(), p.lse.end()), rows(size_t(2 * batch * Shape::Heads * attention_padded(length)), NAN);
    AttentionBackward parameters{output.data(), p.doutput.data(), lse.data(), rows.data(), length, batch, p.scale()};
    std::vector<int> positions;
    for (int i = 0; i < batch * length; i++) positions.push_back((i % length * 7 + i / length) % 400);
    auto table = turned ? turn_back(p, positions) : std::vector<float2>();
    if (turned) parameters.positions = positions.data(), parameters.rotary = table.data();
    auto qkv = map_of(p.qkv, p, p.columns()), doutput = map_of(p.doutput, p, p.heads * p.width), gradient = map_of(dqkv, p, p.columns());
    emulator::launch(blocks, QueryTile::Threads, [&] { attention_bwd_queries_sm90<QueryTile>(qkv, doutput, gradient, parameters); });
    emulator::launch(blocks, KeyTile::Threads, [&] { attention_bwd_keys_sm90<KeyTile>(qkv, doutput, gradient, parameters); });
    hold_gradients(std::string("backward sm90, ") + (turned ? "before rotary, " : "") + describe(p, ", tiles of " + std::to_string(QueryTile::Rows) + " and " + std::to_string(KeyTile::Rows)), p, dqkv);
}

int main() {
    using Grouped = AttentionHeads<64, 2, 1>;
    using Wide = AttentionHeads<128, 2, 1>;
    check<AttentionBackwardTile<Grouped, 2, 128, 2>, AttentionBackwardTile<Grouped, 2, 64, 4>>(2, 250, 3);
    check<AttentionBackwardTile<Grouped, 3, 64, 3>, AttentionBackwardTile<Grouped, 3, 64, 3>>(2, 250, 3);
    check<AttentionBackwardTile<Grouped, 3, 64, 2>, AttentionBackwardTile<Grouped, 2, 64, 2>>(3, 7, 2);
    check<AttentionBackwardTile<Wide, 2, 64, 3>, AttentionBackwardTile<Wide, 2, 64, 2>>(1, 330, 3);
    check<AttentionBackwardTile<Wide, 3, 64, 2>, AttentionBackwardTile<Wide, 2, 64, 3>>(2, 180, 1);
    check<AttentionBackwardTile<Grouped, 3, 64, 3>, AttentionBackwardTile<Grouped, 3, 64, 3>>(2, 130, 3, true);
    check<AttentionBackwardTile<Wide, 3, 64, 2>, AttentionBackwardTile<Wide, 2, 64, 3>>(2, 70, 1, true);
    using Many = AttentionHeads<64, 4, 4>;  // more than one group of heads
    check<AttentionQueriesFor<Many, 512>, AttentionKeysFor<Many, 512>>(9, 330, 13);
    return failures == 0 ? 0 : 1;
}
