using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>
/// What the training programs of all models have in common on a GPU: memory, staging, the optimizer, and the graphs that
/// runs are. Generated code derives from this and supplies the passes, each of which appends its launches; they are
/// captured once and replayed from then on. <see cref="Accumulate"/> comes back before its run is done.
/// </summary>
public abstract partial class CudaTrainingProgram : TrainingProgram
{
    private readonly DecoderModel _model;
    private readonly CudaDevice _device;
    private readonly TrainingArguments _arguments;
    private readonly CudaStream _stream;
    private readonly CudaTrainingMemory _memory;
    private readonly CudaParameterMemory _weights;
    private readonly LaunchWriter _writer;
    private readonly Dictionary<long, Array> _reports = [];
    private CapturedPass? _evaluate, _first, _next, _update, _logits;
    // No micro-batch has come since the last update: the gradients count as zero, whatever is in their memory.
    private bool _empty = true;
    // Of the step under way; the losses that are asked for are those of the recalled step and run.
    private int _runs;
    private (int Step, int Run) _recalled;
    private int _sent;
    private int _awaited;
    private bool _waiting;
    private bool _disposed;

    /// <summary>Allocates the activations. Gradients and moments come to be when they are first used, and so do the graphs.</summary>
    /// <param name="model">The model whose weights are trained.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="batch">Sequences a micro-batch, at least 1.</param>
    /// <param name="floatsPerSequence">Elements a sequence of the arena of 4-byte elements, floats and ints.</param>
    /// <param name="operandsPerSequence">Elements a sequence of the arena of operands.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is below 1, or makes more than 2³¹ − 1 rows.</exception>
    /// <exception cref="ArgumentException">A size of the model is beyond the kernels.</exception>
    /// <exception cref="CudaException">The device cannot give the memory.</exception>
    protected CudaTrainingProgram(DecoderModel model, CudaDevice device, int batch, long floatsPerSequence, long operandsPerSequence)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        KernelLimits.Check(model.Description, trains: true);
        var context = model.Description.Context;
        if (batch > int.MaxValue / context)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"Batch {batch} × Context {context} makes {(long)batch * context} rows; 2147483647 is the most. Use a batch of at most {int.MaxValue / context} and accumulate.");
        _model = model;
        _device = device;
        _weights = CudaParameterMemory.Of(model);
        _arguments = new TrainingArguments(model.Description, batch);
        Batch = batch;
        _stream = device.CreateStream();
        _writer = new LaunchWriter(device.Context, "training");
        try
        {
            _memory = new CudaTrainingMemory(device, _stream, model, _weights, batch, floatsPerSequence, operandsPerSequence);
        }
        catch
        {
            device.Release(_stream);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override int Batch { get; }

    /// <inheritdoc/>
    public sealed override float CrossEntropy => Losses()[0];

    /// <inheritdoc/>
    public override float AuxiliaryLoss(int layer) => Losses()[1 + CheckLayer(layer)];

    /// <inheritdoc/>
    public override float PredictorLoss(int layer) => Losses()[1 + _model.Description.Layers.Count + CheckLayer(layer)];

    internal sealed override bool RunsAhead => true;

    /// <summary>Appends the forward pass up to the final norm.</summary>
    protected abstract void Forward();

    /// <summary>Appends the losses of the forward pass in front: <see cref="CrossEntropySlot"/>, and those of routers and predictors.</summary>
    protected abstract void Loss();

    /// <summary>Appends the same, and the backward pass, which adds its gradients to <see cref="Gradients"/>.</summary>
    protected abstract void LossAndBackward();

    /// <summary>Appends the logits of the forward pass in front, into <see cref="LogitsOut"/>.</summary>
    protected abstract void Head();

    /// <inheritdoc/>
    public sealed override void Accumulate(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale, ulong draw)
    {
        Check(tokens, targets);
        var pass = _empty ? _first ??= CaptureFirst() : _next ??= Capture(AppendAccumulate);
        _memory.Batch.Send(_stream, tokens, targets, scale, draw);
        pass.Run(_stream);
        _empty = false;
        Fetch(_runs++);
    }

    /// <inheritdoc/>
    public sealed override void Evaluate(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ulong draw)
    {
        Check(tokens, targets);
        var pass = _evaluate ??= Capture(AppendEvaluate);
        _memory.Batch.Send(_stream, tokens, targets, 0, draw);
        pass.Run(_stream);
        Fetch(_runs);
    }

    /// <inheritdoc/>
    public sealed override void Logits(ReadOnlySpan<int> tokens, Span<float> logits, ulong draw)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _arguments.CheckTokens(tokens);
        _arguments.CheckLogits(tokens, logits);
        _memory.AllocateLogits();
        var pass = _logits ??= Capture(AppendLogits);
        _memory.Batch.Send(_stream, tokens, default, 0, draw);
        pass.Run(_stream);
        _reports.Clear();
        _stream.Download(logits, _memory.Logits);
        Wait();
    }

    /// <inheritdoc/>
    public sealed override double Update(in AdamWUpdate update)
    {
        SendUpdate(update);
        return AwaitUpdate();
    }

    /// <inheritdoc/>
    public sealed override void ClearGradients()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _runs = 0;
        _empty = true;
        var list = new LaunchList();
        list.Clear(_memory.Losses.Sum, sizeof(float));
        _stream.Run(list);
    }

    /// <inheritdoc/>
    public sealed override void Read(TrainingState state, long offset, Span<float> values)
    {
        var from = StateAt(state, offset, values.Length);
        if (_empty && state == TrainingState.Gradients)
            ZeroGradients();
        _stream.Download(values, from);
        Wait();
    }

    /// <inheritdoc/>
    public sealed override void Write(TrainingState state, long offset, ReadOnlySpan<float> values)
    {
        var to = StateAt(state, offset, values.Length);
        if (_empty && state == TrainingState.Gradients)
        {
            ZeroGradients();
            _empty = false;
        }

        _stream.Upload(to, values);
        Wait();
    }

    internal sealed override void SendUpdate(in AdamWUpdate update)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_sent - _awaited == MostUnderWay)
            throw new InvalidOperationException($"{MostUnderWay} updates are under way; wait for one.");
        var pass = _update ??= Capture(AppendUpdate);
        if (_empty)
            ZeroGradients();
        var step = StepNumber;
        _memory.Optimizer.Send(_stream, step, update);
        pass.Run(_stream);
        _memory.Optimizer.FetchNorm(_stream, step);
        _sent++;
        _runs = 0;
        _empty = true;
    }

    internal sealed override double AwaitUpdate()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_sent == _awaited)
            throw new InvalidOperationException("No update is under way.");
        var step = _awaited++ % MostUnderWay;
        var norm = _memory.Optimizer.AwaitNorm(step);
        _recalled = (step, 0);
        _waiting = false;
        // A gradient that stopped the update stays, for whoever asks where it came from.
        if (!float.IsFinite(norm) && _sent == _awaited)
            _empty = false;
        return norm;
    }

    internal sealed override void Recall(int run) => _recalled.Run = run;

    internal sealed override IReadOnlyList<LaunchTime> TimeLaunches(int repeats)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var (accumulate, update) = (_first ??= CaptureFirst(), _update ??= Capture(AppendUpdate));
        List<LaunchTime> times =
        [
            .. LaunchTimes.Of(_device.Context, _stream, "accumulate", accumulate, repeats, _writer.Flops, _memory.Optimizer.BytesOf),
            .. LaunchTimes.Of(_device.Context, _stream, "update", update, repeats, _writer.Flops, _memory.Optimizer.BytesOf),
        ];
        ClearGradients();
        return times;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        _device.Drain();
        foreach (var pass in (ReadOnlySpan<CapturedPass?>)[_evaluate, _first, _next, _update, _logits])
            pass?.Dispose();
        _writer.Dispose();
        _memory.Dispose();
        _device.Release(_stream);
    }

    private void Check(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _arguments.CheckTokens(tokens);
        _arguments.CheckTargets(targets);
    }

    private DevicePointer StateAt(TrainingState state, long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if ((ulong)offset > (ulong)_weights.Length || (ulong)length > (ulong)(_weights.Length - offset))
            throw new ArgumentOutOfRangeException(nameof(offset), $"Elements {offset} + {length} leave the parameters' {_weights.Length}.");
        return _memory.Optimizer.State(state) + sizeof(float) * offset;
    }

    // Of the step that the next update ends.
    private int StepNumber => _sent % MostUnderWay;

    private void Fetch(int run)
    {
        _memory.Losses.Fetch(_stream, StepNumber, run);
        _reports.Clear();
        _recalled = (StepNumber, run);
        _waiting = true;
    }

    private void Wait()
    {
        _stream.Synchronize();
        _waiting = false;
    }
}
