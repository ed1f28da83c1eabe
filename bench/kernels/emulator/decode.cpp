// families: cached_attention decode_products decode_layer
#include "cached_reference.h"

// A routed layer and the head, on the rows `of` of a stream, each kernel on what the one before really left.
template <int D, int Heads, int KeyValueHeads, int Width, int FeedForward, int Vocabulary, int MaxRows, bool Routed> void check(std::vector<int> lengths, std::vector<int> sequences, int stream_rows) {
    constexpr int Context = 64, A = Heads * Width, Entry = 2 * KeyValueHeads * Width, Columns = A + Entry;
    int count = int(sequences.size());
    Rows rows{&count, MaxRows};
    std::mt19937 random(D + MaxRows);
    std::normal_distribution<float> normal;
    auto narrow = [&](size_t n, float scale) { std::vector<bf16> v(n); for (auto& e : v) e = to_bf16(scale * normal(random)); return v; };
    auto wide = [&](size_t n, float scale = 1.0f, float offset = 0.0f) { std::vector<float> v(n); for (auto& e : v) e = offset + scale * normal(random); return v; };
    auto w_qkv = narrow(size_t(Columns) * D, 1.0f / sqrtf(D)), w_out = narrow(size_t(D) * A, 1.0f / sqrtf(A)), w_up = narrow(size_t(2) * FeedForward * D, 1.0f / sqrtf(D)),
         w_down = narrow(size_t(D) * FeedForward, 1.0f / sqrtf(FeedForward)), w_head = narrow(size_t(Vocabulary) * D, 1.0f / sqrtf(D)), o = narrow(size_t(MaxRows) * A, 1.0f);
    auto x = wide(size_t(stream_rows) * D, 3.0f), gain = wide(D, 0.1f, 1.0f), angles = wide(size_t(Context) * Width), gates = wide(MaxRows);
    std::vector<int> of, positions;
    for (int i = 0; i < MaxRows; i++) {
        of.push_back(i < count ? (Routed ? stream_rows - count + i : i) : 1 << 20);
        positions.push_back(i < count ? (7 * i + 3) % Context : 1 << 20);
    }
    std::vector<float2> table(size_t(Context) * Width / 2);
    for (size_t i = 0; i < table.size(); i++) table[i] = {cosf(angles[i]), sinf(angles[i])};
    const int* mapped = Routed ? of.data() : nullptr;
    std::vector<int> padded = sequences, after = lengths;
    padded.resize(MaxRows, 1 << 20);
    constexpr float epsilon = 1e-5f;
    std::string what = "decode " + std::to_string(D) + ", " + std::to_string(count) + " of " + std::to_string(MaxRows) + (Routed ? " routed" : "");
    auto all = [](size_t) { return true; };

    // A product in float64 of rows of float32, normed or not.
    auto normed = [&](const float* row) {
        double squares = 0.0;
        for (int c = 0; c < D; c++) squares += double(row[c]) * row[c];
        std::vector<double> y(D);
        for (int c = 0; c < D; c++) y[c] = row[c] * gain[c] / sqrt(squares / D + epsilon);
        return y;
    };
    auto as_doubles = [](const bf16* row, int n) { std::vector<double> y(n); for (int c = 0; c < n; c++) y[c] = to_float(row[c]); return y; };
    auto product = [](const std::vector<bf16>& w, int n, const std::vector<double>& y) {
        std::vector<double> z(n);
        for (int i = 0; i < n; i++)
            for (size_t c = 0; c < y.size(); c++) z[i] += double(to_float(w[i * y.size() + c])) * y[c];
        return z;
    };
    auto norm_ahead = [&](const std::vector<float>& from, const int* map) {  // what the kernel before leaves for more than eight rows
        std::vector<bf16> y(size_t(MaxRows) * D, poison());
        for (int i = 0; i < count; i++) {
            auto row = normed(&from[size_t(map ? map[i] : i) * D]);
            for (int c = 0; c < D; c++) y[size_t(i) * D + c] = to_bf16(float(row[c]));
        }
        return y;
    };
    auto launch = [&](int k, int pairs, std::function<void()> body) { emulator::launch(decode_blocks(k, pairs, MaxRows), decode_threads(k, MaxRows), body); };

    std::vector<bf16> q(size_t(MaxRows) * A, poison()), cache(lengths.size() * Context * Entry, poison());
    std::vector<double> q_want(size_t(count) * A), entries_want;
    std::vector<bf16> entries;
    auto ahead = norm_ahead(x, mapped);
    launch(D, Columns / 2, [&] { decode_qkv<D, Heads, KeyValueHeads, Width, Context, MaxRows, Routed>(w_qkv.data(), x.data(), gain.data(), ahead.data(), table.data(), positions.data(),
                                                                                                    padded.data(), lengths.data(), mapped, q.data(), cache.data(), rows, epsilon); });
    for (int i = 0; i < count; i++) {
        auto y = product(w_qkv, Columns, normed(&x[size_t(Routed ? of[i] : i) * D]));
        for (int h = 0; h < Heads + KeyValueHeads; h++)
            for (int c = 0; c < Width / 2; c++) {
                double &low = y[h * Width + c], &high = y[h * Width + c + Width / 2], before = low;
                float2 angle = table[size_t(positions[i]) * Width / 2 + c];
                low = low * angle.x - high * angle.y;
                high = high * angle.x + before * angle.y;
            }
        std::copy(y.begin(), y.begin() + A, q_want.begin() + size_t(i) * A);
        entries_want.insert(entries_want.end(), y.begin() + A, y.end());
        bf16* entry = &cache[(size_t(sequences[i]) * Context + after[sequences[i]]++) * Entry];
        entries.insert(entries.end(), entry, entry + Entry);
        std::fill(entry, entry + Entry, poison());
    }
    if (count == 0) {  // nobody entered: nothing is written
        for (auto e : q) if (e.bits != poison().bits) failures++, std::printf("FAILED %s wrote q\n", what.c_str());
        hold_equal(what + " cache", cache, std::vector<bf16>(cache.size(), poison()));
    }
    auto hold = [&](const std::string& what, const auto& got, const std::vector<double>& want, double tolerance, auto in) { if (count > 0) ::hold(what, got, want, tolerance, in); };
    hold(what + " q", q, q_want, 6e-3, all);
    hold(what + " entries", entries, entries_want, 6e-3, all);
    hold_equal(what + ": nothing else in the cache", cache, std::vector<bf16>(cache.size(), poison()));

    std::vector<float> t(size_t(MaxRows) * D, NAN);
    std::vector<double> t_want, hidden_want, x_want(x.begin(), x.end()), logits_want;
    launch(A, (D + 1) / 2, [&] { decode_attention_output<A, D, MaxRows>(w_out.data(), o.data(), x.data(), mapped, t.data(), padded.data(), lengths.data(), rows); });
    for (int i = 0; i < count; i++) {
        auto y = product(w_out, D, as_doubles(&o[size_t(i) * A], A));
        for (int c = 0; c < D; c++) t_want.push_back(x[size_t(Routed ? of[i] : i) * D + c] + y[c]);
    }
    hold(what + " t", t, t_want, 1e-6, all);
    hold_equal(what + " lengths", lengths, after);

    std::vector<bf16> hidden(size_t(MaxRows) * FeedForward, poison());
    ahead = norm_ahead(t, nullptr);
    launch(D, FeedForward, [&] { decode_gate_up<D, FeedForward, MaxRows>(w_up.data(), t.data(), gain.data(), ahead.data(), hidden.data(), rows, epsilon); });
    for (int i = 0; i < count; i++) {
        auto y = product(w_up, 2 * FeedForward, normed(&t[size_t(i) * D]));
        for (int c = 0; c < FeedForward; c++) hidden_want.push_back(y[c] / (1.0 + exp(-y[c])) * y[c + FeedForward]);
    }
    hold(what + " hidden", hidden, hidden_want, 8e-3, all);

    auto x_after = x;
    launch(FeedForward, (D + 1) / 2, [&] {
        if (Routed) decode_down_routed<FeedForward, D, MaxRows>(w_down.data(), hidden.data(), t.data(), gates.data(), of.data(), x_after.data(), rows);
        else decode_down<FeedForward, D, MaxRows>(w_down.data(), hidden.data(), t.data(), x_after.data(), rows);
    });
    for (int i = 0; i < count; i++) {
        auto y = product(w_down, D, as_doubles(&hidden[size_t(i) * FeedForward], FeedForward));
        for (int c = 0; c < D; c++) {
            double &to = x_want[size_t(Routed ? of[i] : i) * D + c], sum = double(t[size_t(i) * D + c]) + y[c];
            to = Routed ? to + gates[i] * (sum - to) : sum;
        }
    }
    if (count == 0) hold_equal(what + " x", x_after, x);
    hold(what + " x", x_after, x_want, 1e-6, all);

    std::vector<float> logits(size_t(MaxRows) * Vocabulary, NAN);
    ahead = norm_ahead(x, of.data());
    launch(D, (Vocabulary + 1) / 2, [&] { decode_logits<D, Vocabulary, MaxRows>(w_head.data(), x.data(), gain.data(), ahead.data(), of.data(), logits.data(), rows, epsilon); });
    for (int i = 0; i < count; i++)
        for (double y : product(w_head, Vocabulary, normed(&x[size_t(of[i]) * D]))) logits_want.push_back(y);
    hold(what + " logits", logits, logits_want, 6e-3, all);
    for (size_t i = size_t(count) * Vocabulary; i < logits.size(); i++)
        if (!std::isnan(logits[i])) failures++, std::printf("FAILED %s wrote logits past the count\n", what.c_str());
}

int main() {
    check<256, 2, 1, 32, 512, 257, 1, false>({5, 9}, {1}, 1);        // one row: vectors; an odd vocabulary
    check<256, 2, 1, 32, 512, 64, 1, true>({5, 9}, {0}, 3);
    check<192, 6, 3, 32, 520, 61, 1, true>({0}, {0}, 2);             // one row, but no width for vectors
    check<256, 2, 1, 32, 512, 64, 1, true>({5, 9}, {}, 2);
    check<192, 6, 3, 32, 520, 61, 8, true>({5, 9}, {}, 2);
    check<192, 6, 3, 32, 520, 61, 8, true>({5, 0, 9}, {1, 0, 2, 1, 1}, 7);
    check<72, 2, 2, 20, 40, 30, 8, false>({1, 2, 3}, {2, 0, 1}, 3);  // a head that is no multiple of eight pairs
    check<128, 2, 1, 64, 3000, 40, 16, true>({3, 4}, {1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1}, 14);
    check<64, 1, 1, 64, 64, 16, 32, false>(std::vector<int>(29, 6), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28}, 29);
    return failures == 0 ? 0 : 1;
}
