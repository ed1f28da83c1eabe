// families: routing cached_attention decode_products decode_layer decode_persistent
#include "cached_reference.h"

// A whole layer against float64, by one block, which makes what many would: blocks run one after the other here, and cannot wait
// for each other. Twice, so that the second run finds the first one's entry and its counter.
enum class Choice { Dense, Score, Logit, Forced };

template <int D, int Heads, int KeyValueHeads, int Width, int F, Gate Kind, Choice How> void check(int length, bool enters, int rows_of_call = 1) {
    constexpr int Context = 200, A = Heads * Width, Entry = 2 * KeyValueHeads * Width, Columns = A + Entry, Splits = persistent_splits(Heads, KeyValueHeads, 1);
    constexpr bool Routed = How != Choice::Dense;
    std::mt19937 random(D + length);
    std::normal_distribution<float> normal;
    auto narrow = [&](size_t n, float scale) { std::vector<bf16> v(n); for (auto& e : v) e = to_bf16(scale * normal(random)); return v; };
    auto wide = [&](size_t n, float scale = 1.0f, float offset = 0.0f) { std::vector<float> v(n); for (auto& e : v) e = offset + scale * normal(random); return v; };
    auto w_qkv = narrow(size_t(Columns) * D, 1.0f / sqrtf(D)), w_out = narrow(size_t(D) * A, 1.0f / sqrtf(A)), w_up = narrow(size_t(2) * F * D, 1.0f / sqrtf(D)),
         w_down = narrow(size_t(D) * F, 1.0f / sqrtf(F)), cache = narrow(size_t(3) * Context * Entry, 1.0f);
    auto x = wide(D, 3.0f), gain1 = wide(D, 0.1f, 1.0f), gain2 = wide(D, 0.1f, 1.0f), router = wide(D, 0.02f), angles = wide(size_t(Context) * Width);
    std::vector<float2> table(size_t(Context) * Width / 2);
    for (size_t i = 0; i < table.size(); i++) table[i] = {cosf(angles[i]), sinf(angles[i])};
    double score = 0.0;
    for (int c = 0; c < D; c++) score += double(x[c]) * router[c];
    if (How == Choice::Score && (score > 0.0) != enters)
        for (auto& w : router) w = -w;
    std::vector<float> logit{How == Choice::Logit ? (enters ? 0.25f : 0.0f) : NAN};
    std::vector<int> sequences{1}, positions{(7 * length + 3) % Context}, lengths{3, length, 5}, force{How == Choice::Forced}, forced{enters}, flags{-1};
    for (size_t i = size_t(Context + length) * Entry; i < size_t(2 * Context) * Entry; i++) cache[i] = poison();
    std::vector<bf16> q(A, poison()), hidden(F, poison());
    std::vector<float> partials(size_t(Heads) * Splits * (Width + 2), NAN), t(D, NAN);
    std::vector<u32> counter{0};
    std::string what = "layer " + std::to_string(D) + (How == Choice::Dense ? " dense" : How == Choice::Score ? " by score" : How == Choice::Logit ? " by logit" : " by force") + ", " + std::to_string(length) + " entries";
    constexpr float epsilon = 1e-5f;
    auto product = [](const std::vector<bf16>& w, int n, const std::vector<double>& y) {
        std::vector<double> z(n);
        for (int i = 0; i < n; i++)
            for (size_t c = 0; c < y.size(); c++) z[i] += double(to_float(w[i * y.size() + c])) * y[c];
        return z;
    };
    auto normed = [&](const auto& row, const std::vector<float>& gain) {
        double squares = 0.0;
        std::vector<double> y(D);
        for (int c = 0; c < D; c++) squares += double(row[c]) * row[c];
        for (int c = 0; c < D; c++) y[c] = row[c] * gain[c] / sqrt(squares / D + epsilon);
        return y;
    };
    for (int run = 0; run < 2; run++) {
        auto before = x;
        auto cache_before = cache;
        int seen = lengths[1];
        emulator::launch(1, PersistentThreads, [&] {
            decode_layer_persistent<D, Heads, KeyValueHeads, Width, F, Context, 1, Routed, Kind>(
                router.data(), How == Choice::Logit ? logit.data() : nullptr, force.data(), forced.data(), flags.data(), positions.data(), sequences.data(), lengths.data(), x.data(), gain1.data(), w_qkv.data(),
                table.data(), cache.data(), w_out.data(), gain2.data(), w_up.data(), w_down.data(), q.data(), partials.data(), t.data(), hidden.data(), counter.data(), Rows{&rows_of_call, 1}, epsilon);
        });
        if (rows_of_call == 0 || !enters) {
            hold_equal(what + " skipped: x", x, before);
            hold_equal(what + " skipped: cache", cache, cache_before);
            hold_equal(what + " skipped: lengths", lengths, {3, seen, 5});
            hold_equal(what + " skipped: flag", flags, {rows_of_call == 0 ? -1 : 0});
            continue;
        }
        auto y = product(w_qkv, Columns, normed(before, gain1));
        for (int h = 0; h < Heads + KeyValueHeads; h++)
            for (int c = 0; c < Width / 2; c++) {
                double &low = y[h * Width + c], &high = y[h * Width + c + Width / 2], was = low;
                float2 angle = table[size_t(positions[0]) * Width / 2 + c];
                low = low * angle.x - high * angle.y;
                high = high * angle.x + was * angle.y;
            }
        auto entry_at = cache.begin() + size_t(Context + seen) * Entry;
        hold(what + " entry", std::vector<bf16>(entry_at, entry_at + Entry), std::vector<double>(y.begin() + A, y.end()), 3e-3, [](size_t) { return true; });
        std::copy(entry_at, entry_at + Entry, cache_before.begin() + size_t(Context + seen) * Entry);
        hold_equal(what + ": nothing else in the cache", cache, cache_before);
        hold_equal(what + " lengths", lengths, {3, seen + 1, 5});
        hold_equal(what + " flag", flags, {Routed ? 1 : -1});
        std::vector<double> o(A);
        for (int h = 0; h < Heads; h++) {
            auto at = [&](int j, int part, int c) { return double(to_float(cache[size_t(Context + j) * Entry + (part * KeyValueHeads + h / (Heads / KeyValueHeads)) * Width + c])); };
            std::vector<double> s(seen + 1);
            double top = -1e300, sum = 0.0;
            for (int j = 0; j <= seen; j++) {
                for (int c = 0; c < Width; c++) s[j] += y[h * Width + c] * at(j, 0, c) / sqrt(double(Width));
                top = std::max(top, s[j]);
            }
            for (double& e : s) sum += e = exp(e - top);
            for (int j = 0; j <= seen; j++)
                for (int c = 0; c < Width; c++) o[h * Width + c] += s[j] / sum * at(j, 1, c);
        }
        auto t_want = product(w_out, D, o);
        for (int c = 0; c < D; c++) t_want[c] += before[c];
        auto branches = product(w_up, 2 * F, normed(t_want, gain2));
        std::vector<double> hidden_want(F);
        for (int c = 0; c < F; c++) hidden_want[c] = branches[c] / (1.0 + exp(-branches[c])) * branches[c + F];
        auto change = product(w_down, D, hidden_want);
        double r = 0.0;
        for (int c = 0; c < D; c++) r += double(before[c]) * router[c];
        double gate = !Routed ? 1.0 : Kind == Gate::Identity ? r : Kind == Gate::Sigmoid ? 1.0 / (1.0 + exp(-r)) : tanh(r);
        std::vector<float> changed(D);
        for (int c = 0; c < D; c++) {
            change[c] = gate * (change[c] + t_want[c] - before[c]);
            changed[c] = x[c] - before[c];
        }
        hold(what + " x", changed, change, 6e-3, [](size_t) { return true; });
        if (How == Choice::Score) {  // the row of the next run must decide alike
            double next = 0.0;
            for (int c = 0; c < D; c++) next += double(x[c]) * router[c];
            if (next <= 0.0) return;
        }
    }
}

int main() {
    check<256, 4, 1, 64, 256, Gate::Identity, Choice::Dense>(0, true);
    check<256, 2, 2, 128, 512, Gate::Identity, Choice::Dense>(130, true);
    check<512, 4, 2, 64, 1280, Gate::Sigmoid, Choice::Score>(63, true);
    check<512, 4, 2, 64, 1280, Gate::Sigmoid, Choice::Score>(63, false);
    check<256, 4, 4, 64, 768, Gate::Tanh, Choice::Logit>(7, true);
    check<256, 4, 4, 64, 768, Gate::Tanh, Choice::Logit>(7, false);
    check<256, 8, 2, 32, 2816, Gate::Sigmoid, Choice::Forced>(66, true);
    check<256, 8, 2, 32, 2816, Gate::Sigmoid, Choice::Forced>(66, false);
    check<256, 8, 2, 32, 256, Gate::Sigmoid, Choice::Forced>(66, true, 0);
    check<256, 8, 2, 32, 256, Gate::Sigmoid, Choice::Dense>(66, true, 0);
    return failures == 0 ? 0 : 1;
}
