using ModGen.Cpu;

namespace ModGen.Programs;

/// <summary>
/// What the inference programs of all models have in common on the CPU: caches, lengths, routing decisions, argument
/// checks. Generated code derives from this and supplies the pass.
/// </summary>
public abstract class CpuInferenceProgram : InferenceProgram
{
    private const int FirstCapacity = 64;
    private readonly ModelDescription _description;
    private readonly KeyValueCache[] _caches;
    private readonly SequenceLengths _lengths;
    private readonly RowBuffers _call;
    private readonly RowBuffers _routed;
    private readonly RoutedLayers _routedLayers;
    private readonly byte[] _entered;
    private int _rows;
    private bool _forced;
    private bool _disposed;

    /// <summary>Allocates the caches, which grow with their sequences, and the activations of one call.</summary>
    /// <param name="model">The model to sample from.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="sequences">Sequences held at once, at least 1.</param>
    /// <param name="maximumRows">Rows of one call, at least 1.</param>
    /// <param name="activationsPerRow">Elements of the activation arena a row.</param>
    protected CpuInferenceProgram(
        DecoderModel model, CpuDevice device, int sequences, int maximumRows, long activationsPerRow)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumRows, 1);
        var description = _description = model.Description;
        Weights = HostParameterMemory.Of(model);
        Workers = device.Workers;
        Sequences = sequences;
        MaximumRows = maximumRows;
        _call = new RowBuffers(maximumRows);
        _routed = new RowBuffers(maximumRows);
        _routedLayers = new RoutedLayers(description.Layers);
        _lengths = new SequenceLengths(description, sequences, maximumRows, _routedLayers.Count);
        _entered = new byte[checked(_routedLayers.Count * maximumRows)];
        Activations = new Arena(checked(maximumRows * activationsPerRow));
        _caches = new KeyValueCache[description.Layers.Count];
        for (var layer = 0; layer < _caches.Length; layer++)
            _caches[layer] = new KeyValueCache(sequences, Math.Min(FirstCapacity, description.Context), description.Context, description.KeyValueHeads, description.HeadWidth);
    }

    /// <inheritdoc/>
    public sealed override int Sequences { get; }

    /// <inheritdoc/>
    public sealed override int MaximumRows { get; }

    /// <summary>Number of routed layers.</summary>
    protected int RoutedLayers => _routedLayers.Count;

    /// <summary>The threads that kernels run on.</summary>
    protected CpuWorkers Workers { get; }

    /// <summary>The model's parameters.</summary>
    protected Arena Weights { get; }

    /// <summary>The activations: maximum rows × per-row + fixed elements.</summary>
    protected Arena Activations { get; }

    /// <summary>The cache of a layer.</summary>
    protected KeyValueCache Cache(int layer) => _caches[layer];

    /// <summary>
    /// Runs all layers over the rows: appends their keys and values to the caches, calls <see cref="Enter"/> once for
    /// every routed layer, and writes the wanted logits.
    /// </summary>
    /// <param name="rows">The rows; checked.</param>
    /// <param name="logitRows">Rows whose logits are wanted, ascending; may be empty.</param>
    /// <param name="logits">(logitRows, vocabulary).</param>
    /// <param name="draw">Number that random routing draws from.</param>
    protected abstract void Run(InferenceRows rows, ReadOnlySpan<int> logitRows, Span<float> logits, ulong draw);

    /// <summary>
    /// Decides which rows of this call enter routed layer <paramref name="layer"/>: those whose logit is above 0
    /// (a probability above one half), or those that the caller forced. The rows returned are valid until the next call.
    /// </summary>
    /// <param name="layer">Index of the layer among all layers.</param>
    /// <param name="logits">(rows) logits of the predictor, or of the router itself.</param>
    protected InferenceRows Enter(int layer, ReadOnlySpan<float> logits)
    {
        var entered = _entered.AsSpan(_routedLayers[layer] * MaximumRows, _rows);
        if (!_forced)
        {
            if (logits.Length != _rows)
                throw new ArgumentException($"{logits.Length} logits were given for {_rows} rows.", nameof(logits));
            for (var row = 0; row < entered.Length; row++)
                entered[row] = logits[row] > 0 ? (byte)1 : (byte)0;
        }

        var count = 0;
        for (var row = 0; row < entered.Length; row++)
        {
            if (entered[row] == 0)
                continue;
            _routed.Set(count++, row, _call.Tokens[row], _call.Sequences[row], _call.Positions[row]);
        }

        return _routed.First(count);
    }

    /// <inheritdoc/>
    public sealed override int Length(int sequence) => _lengths[sequence];

    /// <inheritdoc/>
    public sealed override int CacheLength(int layer, int sequence) => _caches[_description.CheckLayer(layer)].Length(_lengths.Check(sequence));

    /// <summary>Bytes that the caches hold.</summary>
    public long CacheBytes => _caches.Sum(cache => cache.Bytes);

    /// <inheritdoc/>
    public sealed override void Clear(int sequence)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _lengths.Clear(sequence);
        foreach (var cache in _caches)
            cache.Clear(sequence);
    }

    /// <inheritdoc/>
    public sealed override ReadOnlySpan<byte> Entered(int layer) => _entered.AsSpan(_routedLayers[layer] * MaximumRows, _rows);

    /// <inheritdoc/>
    public sealed override void Extend(
        ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> logitRows, Span<float> logits, ulong draw, ReadOnlySpan<byte> forced = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _lengths.CheckRows(tokens, sequences, forced);
        _lengths.CheckLogits(tokens.Length, logitRows, logits);
        if (tokens.IsEmpty)
            return;
        _lengths.Place(tokens, sequences, _call.Positions);
        for (var row = 0; row < tokens.Length; row++)
            _call.Set(row, row, tokens[row], sequences[row], _call.Positions[row]);
        _rows = tokens.Length;
        _forced = !forced.IsEmpty;
        for (var layer = 0; _forced && layer < RoutedLayers; layer++)
            forced.Slice(layer * _rows, _rows).CopyTo(_entered.AsSpan(layer * MaximumRows));
        try
        {
            Run(_call.First(_rows), logitRows, logits, draw);
        }
        catch
        {
            // Some caches may hold the rows and others not: such a sequence is of no use.
            foreach (var sequence in sequences)
                Clear(sequence);
            throw;
        }

        _lengths.Advance(sequences);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        Activations.Dispose();
        foreach (var cache in _caches)
            cache.Dispose();
    }
}
