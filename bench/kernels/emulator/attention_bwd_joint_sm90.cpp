// families: attention attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_joint_sm90 attention_bwd_joint_keys_sm90 attention_bwd_joint_rows_sm90 attention_bwd_joint_queries_sm90
template <class Shape> void check(int batch, int length, int blocks, bool turned = false) {
    using Tile = AttentionJointTile<Shape>;
    auto p = make_problem(batch, length, Shape::Heads, Shape::KeyValueHeads, Shape::Width);
    std::vector<bf16> output, dqkv(p.qkv.size(), poison());
    for (double x : p.output) output.push_back(to_bf16(float(x)));
    std::vector<float> lse(p.lse.begin(), p.lse.end());
    size_t places = size_t(blocks * Shape::Group) * ceil_div(length, 64);
    std::vector<float> rows(places * 128, NAN);
    std::vector<float4> sums(places * 16 * Shape::Width, float4{NAN, NAN, NAN, NAN});
    AttentionJoint joint{AttentionBackward{output.data(), nullptr, lse.data(), rows.data(), length, batch, p.scale()}, sums.data()};
    std::vector<int> positions;
    for (int i = 0; i < batch * length; i++) positions.push_back((i % length * 7 + i / length) % 400);
    auto table = turned ? turn_back(p, positions) : std::vector<float2>();
    if (turned) joint.backward.positions = positions.data(), joint.backward.rotary = table.data();
    auto qkv = map_of(p.qkv, p, p.columns()), doutput = map_of(p.doutput, p, p.heads * p.width), gradient = map_of(dqkv, p, p.columns());
    emulator::launch(blocks, Tile::Threads, [&] { attention_bwd_joint_sm90<Tile>(qkv, doutput, gradient, joint); });
    hold_gradients(std::string("joint backward sm90, ") + (turned ? "before rotary, " : "") + describe(p, ""), p, dqkv);
}

int main() {
    using Grouped = AttentionHeads<64, 2, 1>;
    using Many = AttentionHeads<64, 4, 4>;
    check<Grouped>(2, 250, 1);
    check<Grouped>(3, 7, 2);
    check<Grouped>(2, 96, 2);
    check<Grouped>(2, 192, 1);  // the last tile of keys is seen by one block of queries
    check<Grouped>(2, 200, 1, true);
    check<Many>(3, 256, 5, true);
    check<Many>(2, 330, 3);
    return failures == 0 ? 0 : 1;
}
