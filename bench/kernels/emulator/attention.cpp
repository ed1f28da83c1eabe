// families: attention attention_any attention_tiles attention_fwd attention_bwd
template <int Width, int Heads, int KeyValueHeads, int Length> void check(int batch) {
    auto p = make_problem(batch, Length, Heads, KeyValueHeads, Width);
    std::vector<bf16> output(p.output.size(), poison()), dqkv(p.qkv.size(), poison());
    std::vector<float> lse(p.lse.size(), NAN), dots(p.lse.size(), NAN);
    const auto *qkv = p.qkv.data(), *d_o = p.doutput.data();
    int strips = ceil_div(Length, 64) * batch;
    emulator::launch(strips * Heads, 128, [&] { attention_fwd<Heads, KeyValueHeads, Width, Length>(qkv, output.data(), lse.data(), batch); });
    emulator::launch(ceil_div(batch * Length * Heads, 32), 256, [&] { attention_any_rows<Heads, KeyValueHeads, Width, Length>(output.data(), d_o, dots.data(), batch); });
    emulator::launch(strips * Heads, 128, [&] { attention_bwd_queries<Heads, KeyValueHeads, Width, Length>(qkv, d_o, lse.data(), dots.data(), dqkv.data(), batch); });
    emulator::launch(strips * KeyValueHeads, 128, [&] { attention_bwd_keys<Heads, KeyValueHeads, Width, Length>(qkv, d_o, lse.data(), dots.data(), dqkv.data(), batch); });
    hold_output("portable, " + describe(p, ""), p, output, lse);
    hold_gradients("portable, " + describe(p, ""), p, dqkv);
}

int main() {
    check<64, 2, 1, 150>(2);
    check<32, 4, 2, 64>(1);
    check<16, 2, 1, 65>(1);
    check<48, 2, 2, 50>(1);
    check<96, 2, 2, 130>(1);
    check<128, 2, 1, 100>(1);
    check<64, 1, 1, 7>(2);
    return failures == 0 ? 0 : 1;
}
