namespace ModGen;

/// <summary>Unnormalised log-probabilities of the next token, one row a position.</summary>
/// <typeparam name="TModel">The model whose vocabulary they are over.</typeparam>
public sealed class Logits<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly float[] _values;

    internal Logits(int rows)
    {
        Rows = rows;
        _values = new float[checked(rows * TModel.Description.Vocabulary)];
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>(vocabulary) logits of one row.</summary>
    /// <param name="row">0 … <see cref="Rows"/> − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public ReadOnlySpan<float> this[int row] => row >= 0 && row < Rows
        ? _values.AsSpan(row * TModel.Description.Vocabulary, TModel.Description.Vocabulary)
        : throw new ArgumentOutOfRangeException(nameof(row), $"Row {row} does not exist: there are {Rows}.");

    internal Span<float> Values => _values;

    /// <summary>The token with the largest logit of a row; the first of equals.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public int Best(int row)
    {
        var best = 0;
        var logits = this[row];
        for (var token = 1; token < logits.Length; token++)
            if (logits[token] > logits[best] || float.IsNaN(logits[best]))
                best = token;
        return best;
    }

    /// <summary>Cross-entropy of <paramref name="target"/> in nats: −log of its probability in a row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row, or the target is outside the vocabulary.</exception>
    public double CrossEntropy(int row, int target)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(target);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(target, TModel.Description.Vocabulary);
        return LogProbability.CrossEntropy(this[row], target);
    }
}
