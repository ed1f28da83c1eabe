using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// What the inference programs of all models have in common on a GPU: caches, staging, routing decisions, and the graphs
/// that calls are. Generated code derives from this and supplies the pass, which appends its launches; it is captured once
/// for calls of a token a sequence and once for the longest ones. Which rows enter a routed layer never comes back to the
/// host within a call.
/// </summary>
public abstract partial class CudaInferenceProgram : InferenceProgram
{
    private readonly DecoderModel _model;
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly CudaParameterMemory _weights;
    private readonly CudaInferenceMemory _memory;
    private readonly SequenceLengths _lengths;
    private readonly RoutedLayers _routedLayers;
    private readonly LaunchWriter _writer;
    private readonly CallBucket[] _buckets;
    private readonly byte[] _entered;
    private readonly Lock _alone = new();
    private CallBucket _bucket;
    private CapturedPass? _pass;
    private TokenChoice? _choice;
    private int _rows;
    private bool _disposed;

    /// <summary>Allocates the caches, for whole contexts, and the activations of one call.</summary>
    /// <param name="model">The model to sample from.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="sequences">Sequences held at once, at least 1.</param>
    /// <param name="maximumRows">Rows of one call, at least 1.</param>
    /// <param name="floatsPerRow">Elements a row of the arena of 4-byte elements, floats and ints.</param>
    /// <param name="operandsPerRow">Elements a row of the arena of operands.</param>
    /// <exception cref="ArgumentException">A size of the model is beyond the kernels.</exception>
    /// <exception cref="CudaException">The device cannot give the memory.</exception>
    protected CudaInferenceProgram(DecoderModel model, CudaDevice device, int sequences, int maximumRows, long floatsPerRow, long operandsPerRow)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumRows, 1);
        KernelLimits.Check(model.Description, trains: false);
        _model = model;
        _device = device;
        _weights = CudaParameterMemory.Of(model);
        Sequences = sequences;
        MaximumRows = maximumRows;
        _routedLayers = new RoutedLayers(model.Description.Layers);
        _lengths = new SequenceLengths(model.Description, sequences, maximumRows, _routedLayers.Count);
        _entered = new byte[checked(_routedLayers.Count * maximumRows)];
        _writer = new LaunchWriter(device.Context, "sampling");
        _stream = device.CreateStream();
        try
        {
            // A decoded token a sequence needs small grids; a prompt needs large ones.
            _memory = new CudaInferenceMemory(device, _stream, model.Description, sequences, maximumRows, floatsPerRow, operandsPerRow, _routedLayers.Count);
            _buckets = sequences < maximumRows
                ? [new CallBucket(_memory.Call(sequences)), new CallBucket(_memory.Call(maximumRows))]
                : [new CallBucket(_memory.Call(maximumRows))];
            _bucket = _buckets[^1];
        }
        catch
        {
            _memory?.Dispose();
            device.Release(_stream);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override int Sequences { get; }

    /// <inheritdoc/>
    public sealed override int MaximumRows { get; }

    /// <summary>Tokens are chosen on the device, unless MODGEN_CUDA_CHOOSE=0 brings the logits to the host for every one.</summary>
    internal sealed override bool Samples { get; } = Environment.GetEnvironmentVariable("MODGEN_CUDA_CHOOSE") != "0";

    /// <summary>Bytes that the caches hold.</summary>
    public long CacheBytes => _memory.Caches.Bytes;

    /// <summary>
    /// Appends all layers over the rows of a call of up to <see cref="Rows"/>.Most: keys and values into the caches, the
    /// decisions of routed layers into <see cref="EnteredFlags"/>, the wanted logits into <see cref="LogitsOut"/>.
    /// </summary>
    protected abstract void Run();

    /// <inheritdoc/>
    public sealed override int Length(int sequence) => _lengths[sequence];

    /// <inheritdoc/>
    public sealed override int CacheLength(int layer, int sequence)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _model.Description.CheckLayer(layer);
        // A sequence that was cleared is emptied on the device when it is begun again.
        return _lengths[sequence] == 0 ? 0 : _memory.Caches.Length(_stream, layer, sequence);
    }

    /// <inheritdoc/>
    public sealed override void Clear(int sequence)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _lengths.Clear(sequence);
    }

    /// <inheritdoc/>
    public sealed override ReadOnlySpan<byte> Entered(int layer) => _entered.AsSpan(_routedLayers[layer] * MaximumRows, _rows);

    /// <inheritdoc/>
    public sealed override void Extend(
        ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> logitRows, Span<float> logits, ulong draw, ReadOnlySpan<byte> forced = default)
    {
        _lengths.CheckLogits(tokens.Length, logitRows, logits);
        lock (TurnOf(tokens.Length))
        {
            if (Send(tokens, sequences, logitRows, forced, draw, choose: false))
                Receive(sequences, logits, default);
        }
    }

    internal sealed override void Begin(int sequence, ReadOnlySpan<int> prompt, SamplingOptions options, int row)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        (_choice ??= _memory.Choose(_model.Description, Sequences)).Begin(_stream, _lengths.Check(sequence), prompt, options, row);
    }

    internal sealed override void ExtendAndChoose(
        ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> wanted, Span<int> chosen, ulong draw, ReadOnlySpan<byte> forced = default)
    {
        if (_choice is null)
            throw new InvalidOperationException("No text has begun: nothing says how its tokens are to be chosen.");
        lock (TurnOf(tokens.Length))
        {
            if (Send(tokens, sequences, wanted, forced, draw, choose: true))
                Receive(sequences, default, chosen);
        }
    }

    internal sealed override IReadOnlyList<LaunchTime> TimeLaunches(int repeats)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        // Each repetition appends the last call's rows once more, and a cache holds no more than a context.
        var longest = Enumerable.Range(0, Sequences).Max(sequence => _lengths[sequence]);
        var fitting = Math.Min(repeats, (_model.Description.Context - longest) / Math.Max(_rows, 1) - 1);
        if (_pass is null || fitting < 1)
            return [];
        List<LaunchTime> times;
        lock (TurnOf(_rows))
            times = [.. LaunchTimes.Of(_device.Context, _stream, "decode", _pass, fitting, _writer.Flops, _ => 0)];
        for (var sequence = 0; sequence < Sequences; sequence++)
            Clear(sequence);
        return times;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        _device.Drain();
        foreach (var bucket in _buckets)
        {
            bucket.Pass?.Dispose();
            bucket.Choosing?.Dispose();
        }

        _writer.Dispose();
        _memory.Dispose();
        _device.Release(_stream);
    }
}
