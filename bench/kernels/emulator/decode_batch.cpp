// families: decode_batch
constexpr int K = 256, Heads = 4, KeyHeads = 2, Head = 32, F = 160, V = 64, Capacity = 20;
constexpr float Epsilon = 1e-5f;

struct Random {
    std::mt19937 engine{7};
    std::normal_distribution<float> normal;
    std::vector<bf16> halves(size_t count, float scale = 1.0f) {
        std::vector<bf16> v(count);
        for (auto& x : v) x = to_bf16(scale * normal(engine));
        return v;
    }
    std::vector<float> floats(size_t count) {
        std::vector<float> v(count);
        for (auto& x : v) x = normal(engine);
        return v;
    }
};

// rows (n, k) . x (k), of bfloat16.
static std::vector<double> product(const std::vector<bf16>& weights, const bf16* x, int n, int k) {
    std::vector<double> y(n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < k; j++) y[i] += double(to_float(weights[size_t(i) * k + j])) * to_float(x[j]);
    return y;
}

template <class T> std::vector<T> filled(size_t count, T value) { return std::vector<T>(count, value); }
static bool all(size_t) { return true; }

template <int Batch> void check() {
    std::string name = "decode batch " + std::to_string(Batch);
    Random random;
    auto table = random.halves(V * K), wo = random.halves(size_t(K) * F, 0.1f), wqkv = random.halves(size_t(Heads + 2 * KeyHeads) * Head * K), wup = random.halves(2 * F * K), whead = random.halves(V * K);
    auto gain = random.floats(K), angles = random.floats(Capacity * Head);
    std::vector<int> tokens(Batch), lengths(Batch);
    for (int b = 0; b < Batch; b++) { tokens[b] = 5 * b % V; lengths[b] = 3 * b % Capacity; }

    auto x = filled(Batch * K, NAN), squares = filled(K / 16 * Batch, NAN);
    auto scaled = filled(Batch * K, poison());
    DecodeBatchEmbedding embedding{table.data(), tokens.data(), gain.data(), x.data(), scaled.data(), squares.data()};
    emulator::launch(Batch, 64, [&] { decode_batch_embedding<K, Batch>(embedding); });
    auto input = random.halves(Batch * F);
    DecodeBatchResidual residual{wo.data(), input.data(), x.data(), gain.data(), scaled.data(), squares.data()};
    emulator::launch(K / 16, 160, [&] { decode_batch_residual<F, K, 5, Batch>(residual); });

    std::vector<double> wantX, wantScaled, scale;
    for (int b = 0; b < Batch; b++) {
        auto y = product(wo, &input[b * F], K, F);
        double square = 0.0;
        for (int i = 0; i < K; i++) {
            double value = to_float(table[tokens[b] * K + i]) + y[i];
            wantX.push_back(value);
            wantScaled.push_back(value * gain[i]);
            square += value * value;
        }
        scale.push_back(1.0 / sqrt(square / K + Epsilon));
    }
    hold(name + " stream", x, wantX, 1e-6, all);
    hold(name + " scaled", scaled, wantScaled, 4e-3, all);

    auto q = filled(Batch * Heads * Head, poison()), keys = filled(size_t(Batch) * KeyHeads * Capacity * Head, poison()), values = keys;
    DecodeBatchQkv qkv{wqkv.data(), scaled.data(), squares.data(), reinterpret_cast<const float2*>(angles.data()), q.data(), keys.data(), values.data(), lengths.data(), lengths.data(), Capacity, Epsilon};
    emulator::launch((Heads + 2 * KeyHeads) * Head / 16, 64, [&] { decode_batch_qkv<K, Heads, KeyHeads, Head, 2, Batch>(qkv); });
    auto h = filled(Batch * F, poison());
    DecodeBatchGateUp gate{wup.data(), scaled.data(), squares.data(), h.data(), Epsilon};
    emulator::launch(F / 8, 32, [&] { decode_batch_gate_up<K, F, 1, Batch>(gate); });
    auto logits = filled(Batch * V, NAN);
    DecodeBatchLogits head{whead.data(), scaled.data(), squares.data(), logits.data(), Epsilon};
    emulator::launch(V / 16, 128, [&] { decode_batch_logits<K, V, 4, Batch>(head); });

    std::vector<double> wantQ, wantH, wantLogits, wantKeys(keys.size()), wantValues(keys.size());
    std::vector<bool> written(keys.size());
    for (int b = 0; b < Batch; b++) {
        auto y = product(wqkv, &scaled[b * K], (Heads + 2 * KeyHeads) * Head, K);
        for (int r = 0; r < (Heads + 2 * KeyHeads) * Head; r++) {
            int head = r / Head, e = r % Head, i = e % (Head / 2), kind = head < Heads ? 0 : head < Heads + KeyHeads ? 1 : 2;
            double c = angles[(lengths[b] * (Head / 2) + i) * 2], s = angles[(lengths[b] * (Head / 2) + i) * 2 + 1];
            double low = y[head * Head + i], high = y[head * Head + i + Head / 2];
            double value = scale[b] * (kind == 2 ? y[r] : e < Head / 2 ? low * c - high * s : high * c + low * s);
            size_t at = (size_t(b * KeyHeads + (head - Heads) % KeyHeads) * Capacity + lengths[b]) * Head + e;
            if (kind == 0) wantQ.push_back(value);
            if (kind == 1) { wantKeys[at] = value; written[at] = true; }
            if (kind == 2) wantValues[at] = value;
        }
        auto branches = product(wup, &scaled[b * K], 2 * F, K);
        for (int f = 0; f < F; f++) {
            double g = scale[b] * branches[f / 8 * 16 + f % 8], u = scale[b] * branches[f / 8 * 16 + f % 8 + 8];
            wantH.push_back(g / (1.0 + exp(-g)) * u);
        }
        for (double l : product(whead, &scaled[b * K], V, K)) wantLogits.push_back(scale[b] * l);
    }
    hold(name + " q", q, wantQ, 4e-3, all);
    hold(name + " keys", keys, wantKeys, 4e-3, [&](size_t i) { return bool(written[i]); });
    hold(name + " values", values, wantValues, 4e-3, [&](size_t i) { return bool(written[i]); });
    hold(name + " h", h, wantH, 4e-3, all);
    hold(name + " logits", logits, wantLogits, 1e-5, all);
}

int main() {
    check<1>();
    check<13>();
    check<32>();
    return failures == 0 ? 0 : 1;
}
