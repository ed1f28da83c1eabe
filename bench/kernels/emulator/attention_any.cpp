// families: attention_any
// precisions: both
template <int Heads, int KeyValueHeads, int Width, int Length> void check(int batch) {
    using Any = AttentionAny<Heads, KeyValueHeads, Width, Length>;
    auto p = make_problem(batch, Length, Heads, KeyValueHeads, Width);
    std::vector<element> output(p.output.size(), from_float<element>(NAN)), dqkv(p.qkv.size(), from_float<element>(NAN));
    std::vector<float> lse(p.lse.size(), NAN), dots(p.lse.size(), NAN);
    emulator::launch(Any::Tiles * Heads * batch, 256, [&] { attention_any_fwd<Heads, KeyValueHeads, Width, Length>(p.qkv.data(), output.data(), lse.data(), batch); });
    emulator::launch(ceil_div(batch * Length * Heads, 32), 256, [&] { attention_any_rows<Heads, KeyValueHeads, Width, Length>(output.data(), p.doutput.data(), dots.data(), batch); });
    emulator::launch(Any::Tiles * Heads * batch, 256, [&] { attention_any_bwd_queries<Heads, KeyValueHeads, Width, Length>(p.qkv.data(), p.doutput.data(), lse.data(), dots.data(), dqkv.data(), batch); });
    emulator::launch(Any::Tiles * KeyValueHeads * batch, 256, [&] { attention_any_bwd_keys<Heads, KeyValueHeads, Width, Length>(p.qkv.data(), p.doutput.data(), lse.data(), dots.data(), dqkv.data(), batch); });
    hold_output("any, " + describe(p, ""), p, output, lse);
    hold_gradients("any, " + describe(p, ""), p, dqkv);
}

int main() {
    check<2, 1, 64, 70>(2);
    check<3, 3, 46, 33>(1);
    check<4, 2, 2, 7>(3);
    check<1, 1, 256, 40>(1);
    check<6, 2, 96, 2>(2);
    check<2, 2, 24, 96>(1);
    return failures == 0 ? 0 : 1;
}
