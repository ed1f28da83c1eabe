namespace ModGen.Sampling;

/// <summary>
/// Chooses a token from logits. The choice is a function of the logits, the options and (seed, row, position); equal
/// logits are ordered by token id.
/// </summary>
internal sealed class TokenPicker(int vocabulary)
{
    private readonly ulong[] _candidates = new ulong[vocabulary];
    private readonly bool[] _seen = new bool[vocabulary];
    private int[] _history = new int[64];
    private int _historyLength;

    /// <summary>Forgets the text.</summary>
    public void Clear()
    {
        foreach (var token in _history.AsSpan(0, _historyLength))
            _seen[token] = false;
        _historyLength = 0;
    }

    /// <summary>Tells the picker a token of the text, for the repetition penalty.</summary>
    public void See(int token)
    {
        if (_seen[token])
            return;
        _seen[token] = true;
        if (_historyLength == _history.Length)
            Array.Resize(ref _history, 2 * _historyLength);
        _history[_historyLength++] = token;
    }

    /// <summary>The next token. The logits are changed.</summary>
    /// <exception cref="InvalidOperationException">No logit is a number.</exception>
    public int Pick(Span<float> logits, SamplingOptions options, int row, int position)
    {
        Penalize(logits, options.RepetitionPenalty);
        var best = Best(logits);
        if (options.Temperature == 0 || options.TopK == 1)
            return best;
        var largest = logits[best];
        if (float.IsPositiveInfinity(largest))
            return best;
        var candidates = Candidates(logits, options, largest);
        var random = new CounterRandom(options.Seed, CounterRandom.Hash((ulong)row, (ulong)position));
        return Draw(logits, candidates, options.Temperature, largest, random.NextDouble());
    }

    /// <summary>What to throw where no logit is a number.</summary>
    public static InvalidOperationException NoFiniteLogit() => new("No logit is a finite number: the model's weights have diverged or are damaged.");

    private void Penalize(Span<float> logits, float penalty)
    {
        if (penalty == 1)
            return;
        foreach (var token in _history.AsSpan(0, _historyLength))
            logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
    }

    /// <summary>The first of the largest logits. What is not a number is less than all that is.</summary>
    private static int Best(Span<float> logits)
    {
        var best = -1;
        for (var token = 0; token < logits.Length; token++)
        {
            if (float.IsNaN(logits[token]))
                logits[token] = float.NegativeInfinity;
            else if (best < 0 || logits[token] > logits[best])
                best = token;
        }

        return best >= 0 && logits[best] > float.NegativeInfinity
            ? best
            : throw NoFiniteLogit();
    }

    /// <summary>The tokens that may be drawn, the likeliest first when there is any limit.</summary>
    private Span<ulong> Candidates(ReadOnlySpan<float> logits, SamplingOptions options, float largest)
    {
        // A token with less than (1 − p) / V of the mass cannot be in the smallest set that reaches p: those with more reach it alone.
        var limited = options.TopP < 1 || options.TopK > 0 && options.TopK < logits.Length;
        var least = options.TopP < 1 && options.TopK == 0 ? (1 - (double)options.TopP) / logits.Length * Mass(logits, options.Temperature, largest) : 0;
        var count = 0;
        for (var token = 0; token < logits.Length; token++)
            if (logits[token] > float.NegativeInfinity && Weight(logits[token], options.Temperature, largest) >= least)
                _candidates[count++] = Key(logits[token], token);
        var candidates = _candidates.AsSpan(0, count);
        if (!limited)
            return candidates;
        candidates.Sort();
        if (options.TopK > 0 && options.TopK < count)
            candidates = candidates[..options.TopK];
        return options.TopP < 1 ? Nucleus(logits, candidates, options, largest) : candidates;
    }

    private static Span<ulong> Nucleus(ReadOnlySpan<float> logits, Span<ulong> candidates, SamplingOptions options, float largest)
    {
        // After top-k the probabilities are those among its tokens, as elsewhere; without it those among all.
        var mass = 0.0;
        if (options.TopK > 0)
            foreach (var candidate in candidates)
                mass += Weight(logits[Token(candidate)], options.Temperature, largest);
        else
            mass = Mass(logits, options.Temperature, largest);
        var (reached, count) = (0.0, 0);
        while (count < candidates.Length && reached < options.TopP * mass)
            reached += Weight(logits[Token(candidates[count++])], options.Temperature, largest);
        return candidates[..Math.Max(count, 1)];
    }

    private static int Draw(ReadOnlySpan<float> logits, ReadOnlySpan<ulong> candidates, float temperature, float largest, double uniform)
    {
        var mass = 0.0;
        foreach (var candidate in candidates)
            mass += Weight(logits[Token(candidate)], temperature, largest);
        var left = uniform * mass;
        foreach (var candidate in candidates)
        {
            left -= Weight(logits[Token(candidate)], temperature, largest);
            if (left < 0)
                return Token(candidate);
        }

        return Token(candidates[^1]);
    }

    private static double Mass(ReadOnlySpan<float> logits, float temperature, float largest)
    {
        var mass = 0.0;
        foreach (var logit in logits)
            mass += Weight(logit, temperature, largest);
        return mass;
    }

    private static double Weight(float logit, float temperature, float largest) => Math.Exp(((double)logit - largest) / temperature);

    /// <summary>Sorts by falling logit, then by token: the bits of a float in an order of unsigned numbers, turned round.</summary>
    private static ulong Key(float logit, int token)
    {
        var bits = BitConverter.SingleToUInt32Bits(logit + 0f);
        var ordered = (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        return (ulong)~ordered << 32 | (uint)token;
    }

    private static int Token(ulong candidate) => (int)(uint)candidate;
}
