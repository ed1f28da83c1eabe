namespace ModGen.Programs;

/// <summary>
/// One model's causal forward pass over cached sequences on one device: prefill, decode and ragged batches are the
/// same call with different rows. The generator derives a class from this for every model.
/// </summary>
public abstract class InferenceProgram : IDisposable
{
    /// <summary>Sequences that can be held at once.</summary>
    public abstract int Sequences { get; }

    /// <summary>Rows (tokens of any sequences) that one call of <see cref="Extend"/> takes at most.</summary>
    public abstract int MaximumRows { get; }

    /// <summary>Tokens that <paramref name="sequence"/> holds, 0 … context.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public abstract int Length(int sequence);

    /// <summary>Entries that <paramref name="sequence"/> holds in the cache of <paramref name="layer"/>: fewer than its length in a routed layer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer or sequence.</exception>
    public abstract int CacheLength(int layer, int sequence);

    /// <summary>Forgets a sequence.</summary>
    public abstract void Clear(int sequence);

    /// <summary>
    /// Appends tokens to sequences. Row i is <paramref name="tokens"/>[i], the next token of <paramref name="sequences"/>[i];
    /// rows of one sequence stand together, in order.
    /// </summary>
    /// <param name="tokens">(rows) token ids.</param>
    /// <param name="sequences">(rows) the sequence of each row.</param>
    /// <param name="logitRows">Rows whose logits are wanted, ascending.</param>
    /// <param name="logits">(logitRows, vocabulary).</param>
    /// <param name="draw">Number that random routing draws from.</param>
    /// <param name="forced">
    /// Empty, or (routed layers, rows) decisions that replace the causal ones, 1 to enter: for tests and for
    /// evaluating another routing.
    /// </param>
    public abstract void Extend(
        ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> logitRows, Span<float> logits, ulong draw, ReadOnlySpan<byte> forced = default);

    /// <summary>True when the program chooses tokens itself, so that logits need not leave its device.</summary>
    internal virtual bool Samples => false;

    /// <summary>Says how a sequence is to be continued, for programs that choose tokens themselves.</summary>
    /// <param name="sequence">The sequence; it is empty.</param>
    /// <param name="prompt">Tokens that it begins with, for the repetition penalty.</param>
    /// <param name="options">How tokens are chosen.</param>
    /// <param name="row">Tells the texts of one call apart.</param>
    internal virtual void Begin(int sequence, ReadOnlySpan<int> prompt, SamplingOptions options, int row) =>
        throw new NotSupportedException("This program gives logits, to choose tokens from.");

    /// <summary>As <see cref="Extend"/>, but chooses the next token of each wanted row instead of giving its logits.</summary>
    /// <param name="tokens">(rows) token ids.</param>
    /// <param name="sequences">(rows) the sequence of each row.</param>
    /// <param name="wanted">The last rows of sequences that go on, ascending.</param>
    /// <param name="chosen">(wanted) the tokens; −1 where no logit is finite.</param>
    /// <param name="draw">Number that random routing draws from.</param>
    /// <param name="forced">As of <see cref="Extend"/>.</param>
    internal virtual void ExtendAndChoose(
        ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> wanted, Span<int> chosen, ulong draw, ReadOnlySpan<byte> forced = default) =>
        throw new NotSupportedException("This program gives logits, to choose tokens from.");

    /// <summary>(rows) of the last <see cref="Extend"/>: 1 where the row entered routed layer <paramref name="layer"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer is not routed, or there is none such.</exception>
    public abstract ReadOnlySpan<byte> Entered(int layer);

    /// <summary>Times every launch of a call like the last one, on devices that have launches. All sequences are forgotten.</summary>
    internal virtual IReadOnlyList<LaunchTime> TimeLaunches(int repeats) => [];

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the program holds.</summary>
    protected abstract void Dispose(bool disposing);
}
