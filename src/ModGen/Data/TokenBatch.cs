namespace ModGen;

/// <summary>Sequences of token ids to train or evaluate <typeparamref name="TModel"/> on. Not to be changed once made.</summary>
/// <typeparam name="TModel">The model whose vocabulary and context these are.</typeparam>
public sealed class TokenBatch<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly int[] _tokens;
    private readonly int[] _targets;

    /// <summary>Makes a batch from token ids of one's own.</summary>
    /// <param name="tokens">(sequences, context) token ids; kept, not copied.</param>
    /// <param name="targets">(sequences, context) ids to predict, negative for positions that do not count; kept, not copied.</param>
    /// <param name="position">Sequences of the data that came before this batch.</param>
    /// <exception cref="ArgumentException">The lengths are not a multiple of the context, or an id is outside the vocabulary.</exception>
    public TokenBatch(int[] tokens, int[] targets, long position = 0)
        : this(tokens, targets, position, Rows(tokens))
    {
        ArgumentNullException.ThrowIfNull(targets);
        var model = TModel.Description;
        if (tokens.Length == 0 || tokens.Length % model.Context != 0 || targets.Length != tokens.Length)
        {
            throw new ArgumentException(
                $"{tokens.Length} tokens and {targets.Length} targets do not make a batch of {model.Name}: both must be the same multiple of Context {model.Context}.");
        }

        foreach (var token in tokens)
            if ((uint)token >= (uint)model.Vocabulary)
                throw new ArgumentException($"Token {token} is not in the vocabulary of {model.Name}: 0 to {model.Vocabulary - 1}.", nameof(tokens));
        foreach (var target in targets)
            if (target >= model.Vocabulary)
                throw new ArgumentException($"Target {target} is not in the vocabulary of {model.Name}: 0 to {model.Vocabulary - 1}, or negative for none.", nameof(targets));
    }

    /// <summary>A batch from ids that are known to be good; <paramref name="sequences"/> rows of it are data and the rest padding.</summary>
    internal TokenBatch(int[] tokens, int[] targets, long position, int sequences)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        _tokens = tokens;
        _targets = targets;
        Position = position;
        Sequences = sequences;
        Counted = CountIn(targets);
    }

    /// <summary>(rows, context) token ids.</summary>
    public ReadOnlySpan<int> Tokens => _tokens;

    /// <summary>(rows, context) ids to predict; negative for positions that do not count.</summary>
    public ReadOnlySpan<int> Targets => _targets;

    /// <summary>Rows: sequences, padding included.</summary>
    public int Count => _tokens.Length / TModel.Description.Context;

    /// <summary>Rows that are data; the rest, at the end, is padding whose targets do not count.</summary>
    public int Sequences { get; }

    /// <summary>Targets that count.</summary>
    public long Counted { get; }

    /// <summary>Sequences of the data that came before this batch: where to start to get it again.</summary>
    public long Position { get; }

    /// <summary>Where the data goes on after this batch.</summary>
    public long NextPosition => Position + Sequences;

    internal static long CountIn(ReadOnlySpan<int> targets)
    {
        long counted = 0;
        foreach (var target in targets)
            counted += target >= 0 ? 1 : 0;
        return counted;
    }

    private static int Rows(int[] tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        return tokens.Length / TModel.Description.Context;
    }
}
