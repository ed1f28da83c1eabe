using ModGen.Cpu;

namespace ModGen.Programs;

/// <summary>
/// What the training programs of all models have in common on the CPU: memory, argument checks, the optimizer.
/// Generated code derives from this and supplies the passes.
/// </summary>
public abstract class CpuTrainingProgram : TrainingProgram
{
    // AdamW runs over arenas that may be longer than a span; a piece is a whole number of cache lines.
    private const int LongestRun = 1 << 30;
    private readonly DecoderModel _model;
    private readonly Arena?[] _states = new Arena?[3];
    private readonly ParameterRun[] _runs;
    private readonly TrainingArguments _arguments;
    private float _crossEntropy;
    private bool _disposed;

    /// <summary>Allocates the activations. Gradients and moments come to be when they are first used.</summary>
    /// <param name="model">The model whose weights are trained.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="batch">Sequences a micro-batch, at least 1.</param>
    /// <param name="activationsPerSequence">Elements of the activation arena a sequence.</param>
    /// <param name="largestTensor">Elements a sequence of the largest activation.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is below 1, or makes a tensor of more than 2³¹ − 1 elements.</exception>
    protected CpuTrainingProgram(DecoderModel model, CpuDevice device, int batch, long activationsPerSequence, long largestTensor)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        if (batch > int.MaxValue / largestTensor)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"Batch {batch} makes an activation of {batch * largestTensor} elements; 2147483647 is the most. Use a batch of at most {int.MaxValue / largestTensor} and accumulate.");
        _model = model;
        Weights = HostParameterMemory.Of(model);
        _runs = [.. ParameterRun.Of(model.Parameters, LongestRun)];
        _arguments = new TrainingArguments(model.Description, batch);
        Batch = batch;
        Workers = device.Workers;
        Activations = new Arena(checked(batch * activationsPerSequence));
    }

    /// <inheritdoc/>
    public sealed override int Batch { get; }

    /// <inheritdoc/>
    public sealed override float CrossEntropy => _crossEntropy;

    /// <summary>The threads that kernels run on.</summary>
    protected CpuWorkers Workers { get; }

    /// <summary>The model's parameters.</summary>
    protected Arena Weights { get; }

    /// <summary>The gradients, laid out as the parameters are.</summary>
    protected Arena Gradients => State(TrainingState.Gradients);

    /// <summary>The activations: batch × per-sequence + fixed elements.</summary>
    protected Arena Activations { get; }

    /// <summary>Runs the forward pass up to the final norm.</summary>
    /// <param name="tokens">(batch, context) token ids, all of them in the vocabulary.</param>
    /// <param name="draw">Number that random routing draws from.</param>
    protected abstract void Forward(ReadOnlySpan<int> tokens, ulong draw);

    /// <summary>The cross-entropy of the forward pass that just ran, and the losses of its routers and predictors.</summary>
    /// <param name="targets">(batch, context) ids to predict; negative ones do not count.</param>
    /// <returns>Mean cross-entropy in nats.</returns>
    protected abstract float Loss(ReadOnlySpan<int> targets);

    /// <summary>The same, and adds <paramref name="scale"/> × the gradient of the total loss to <see cref="Gradients"/>.</summary>
    protected abstract float LossAndBackward(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale);

    /// <summary>Writes the logits of the forward pass that just ran.</summary>
    /// <param name="logits">(batch, context, vocabulary).</param>
    protected abstract void Head(Span<float> logits);

    /// <inheritdoc/>
    public sealed override void Accumulate(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale, ulong draw)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _arguments.CheckTokens(tokens);
        _arguments.CheckTargets(targets);
        Forward(tokens, draw);
        _crossEntropy = LossAndBackward(tokens, targets, scale);
    }

    /// <inheritdoc/>
    public sealed override void Evaluate(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ulong draw)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _arguments.CheckTokens(tokens);
        _arguments.CheckTargets(targets);
        Forward(tokens, draw);
        _crossEntropy = Loss(targets);
    }

    /// <inheritdoc/>
    public sealed override void Logits(ReadOnlySpan<int> tokens, Span<float> logits, ulong draw)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _arguments.CheckTokens(tokens);
        _arguments.CheckLogits(tokens, logits);
        Forward(tokens, draw);
        Head(logits);
    }

    /// <inheritdoc/>
    public sealed override double Update(in AdamWUpdate update)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var gradients = Gradients;
        var squares = 0.0;
        for (long offset = 0; offset < gradients.Length; offset += LongestRun)
            squares += Reduction.SumOfSquares(Workers, gradients.Span(offset, (int)Math.Min(LongestRun, gradients.Length - offset)));
        var norm = Math.Sqrt(squares);
        if (!double.IsFinite(norm))
            return norm;

        var scale = update.ClipNorm > 0 && norm > update.ClipNorm ? update.ClipNorm / norm : 1.0;
        foreach (var run in _runs)
        {
            AdamWKernel.Step(
                Workers, Weights.Span(run.Offset, run.Length), gradients.Span(run.Offset, run.Length),
                State(TrainingState.FirstMoment).Span(run.Offset, run.Length), State(TrainingState.SecondMoment).Span(run.Offset, run.Length),
                update.LearningRate, update.Beta1, update.Beta2, update.Epsilon, run.Decays ? update.WeightDecay : 0, scale, update.Step);
        }

        ClearGradients();
        return norm;
    }

    /// <inheritdoc/>
    public sealed override void ClearGradients()
    {
        if (_states[(int)TrainingState.Gradients] is not { } gradients)
            return;
        for (long offset = 0; offset < gradients.Length; offset += LongestRun)
            gradients.Span(offset, (int)Math.Min(LongestRun, gradients.Length - offset)).Clear();
    }

    /// <inheritdoc/>
    public sealed override void Read(TrainingState state, long offset, Span<float> values) =>
        State(state).Span(offset, values.Length).CopyTo(values);

    /// <inheritdoc/>
    public sealed override void Write(TrainingState state, long offset, ReadOnlySpan<float> values) =>
        values.CopyTo(State(state).Span(offset, values.Length));

    /// <summary>Refuses a layer that the model does not have.</summary>
    protected int CheckLayer(int layer) => _model.Description.CheckLayer(layer);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
            return;
        _disposed = true;
        Activations.Dispose();
        foreach (var state in _states)
            state?.Dispose();
    }

    private Arena State(TrainingState state)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _states[(int)state] ??= new Arena(_model.Parameters.Length);
    }
}
