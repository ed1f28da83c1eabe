namespace ModGen.Programs;

/// <summary>
/// One model's forward and backward pass and optimizer step for a fixed batch on one device. The generator derives a
/// class from this for every model; a trainer drives it.
/// </summary>
public abstract class TrainingProgram : IDisposable
{
    /// <summary>Updates that may be sent and not awaited, on a device that runs ahead: steps that a trainer may have under way.</summary>
    internal const int MostUnderWay = 2;

    private double _norm;

    /// <summary>Sequences a micro-batch.</summary>
    public abstract int Batch { get; }

    /// <summary>
    /// Runs forward and backward and adds <paramref name="scale"/> × the gradient of the total loss to the gradients. On
    /// a device of its own it may come back before that is done; whatever is read from the program waits for it.
    /// </summary>
    /// <param name="tokens">(batch, context) token ids.</param>
    /// <param name="targets">(batch, context) ids to predict; negative for positions that do not count.</param>
    /// <param name="scale">1 / accumulated micro-batches.</param>
    /// <param name="draw">Number that random routing draws its scores from; equal numbers draw equal scores.</param>
    public abstract void Accumulate(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, float scale, ulong draw);

    /// <summary>Runs the forward pass only; losses, scores and selections are those of this batch.</summary>
    public abstract void Evaluate(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ulong draw);

    /// <summary>Runs the forward pass and writes the logits of every position.</summary>
    /// <param name="tokens">(batch, context) token ids.</param>
    /// <param name="logits">(batch, context, vocabulary).</param>
    /// <param name="draw">As in <see cref="Accumulate"/>.</param>
    public abstract void Logits(ReadOnlySpan<int> tokens, Span<float> logits, ulong draw);

    /// <summary>
    /// Clips the gradients by their global norm, applies AdamW, and zeroes the gradients. A non-finite norm changes
    /// nothing, the gradients included: whoever asks which tensor it came from can still look.
    /// </summary>
    /// <returns>The global norm before clipping.</returns>
    public abstract double Update(in AdamWUpdate update);

    /// <summary>Zeroes the gradients.</summary>
    public abstract void ClearGradients();

    /// <summary>
    /// True when <see cref="Accumulate"/> and <see cref="SendUpdate"/> come back before they are done. Asking for a loss then
    /// waits for the device; a trainer asks once a step, behind <see cref="AwaitUpdate"/>, through <see cref="Recall"/>. Such a
    /// program also takes a loss that is not finite for a norm that is not: neither this update nor any behind it changes
    /// anything, until <see cref="ClearGradients"/>.
    /// </summary>
    internal virtual bool RunsAhead => false;

    /// <summary>The first half of <see cref="Update"/>: a program that runs ahead can take the next step's runs behind it. At most <see cref="MostUnderWay"/> are sent and not awaited.</summary>
    internal virtual void SendUpdate(in AdamWUpdate update) => _norm = Update(update);

    /// <summary>The second half: waits for the oldest update sent, and gives its norm.</summary>
    internal virtual double AwaitUpdate() => _norm;

    /// <summary>Makes the losses those of a run of <see cref="Accumulate"/>, for programs that run ahead.</summary>
    /// <param name="run">0 for the first run of the step whose update was awaited last.</param>
    internal virtual void Recall(int run) => throw new NotSupportedException("Losses are at hand behind every run.");

    /// <summary>The state arena: gradients or a moment of AdamW, laid out as the model's parameters are.</summary>
    public abstract void Read(TrainingState state, long offset, Span<float> values);

    /// <summary>Overwrites part of a state arena.</summary>
    public abstract void Write(TrainingState state, long offset, ReadOnlySpan<float> values);

    /// <summary>Mean cross-entropy of the last run, in nats a target.</summary>
    public abstract float CrossEntropy { get; }

    /// <summary>Mean binary cross-entropy of the router of <paramref name="layer"/> against membership in its top k, unweighted; 0 without an auxiliary loss.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public abstract float AuxiliaryLoss(int layer);

    /// <summary>Mean binary cross-entropy of the predictor of <paramref name="layer"/>; 0 without a predictor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public abstract float PredictorLoss(int layer);

    /// <summary>(batch, k) positions that entered routed layer <paramref name="layer"/> in the last run, ascending in each sequence; empty for a dense one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public abstract ReadOnlySpan<int> Selected(int layer);

    /// <summary>(batch, context) router scores of routed layer <paramref name="layer"/> in the last run; empty for a dense one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public abstract ReadOnlySpan<float> Scores(int layer);

    /// <summary>(batch, context) logits of the predictor of <paramref name="layer"/> in the last run; empty without a predictor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public abstract ReadOnlySpan<float> PredictorLogits(int layer);

    /// <summary>
    /// Times every launch of a step, on devices that have launches, with the batch of the last run. Parameters and moments
    /// are not to be used afterwards: each repetition is a step.
    /// </summary>
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

/// <summary>Which state of training an arena holds.</summary>
public enum TrainingState
{
    /// <summary>Accumulated gradients.</summary>
    Gradients,

    /// <summary>AdamW's first moment.</summary>
    FirstMoment,

    /// <summary>AdamW's second moment.</summary>
    SecondMoment,
}

/// <summary>One AdamW update (Loshchilov and Hutter, arXiv 1711.05101), with everything that changes between steps.</summary>
/// <param name="LearningRate">Learning rate of this step.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled decay; not applied to gains and biases.</param>
/// <param name="ClipNorm">Largest global norm; 0 or infinity for no clipping.</param>
/// <param name="Step">1 for the first update: the exponent of the bias corrections.</param>
public readonly record struct AdamWUpdate(
    float LearningRate, float Beta1, float Beta2, float Epsilon, float WeightDecay, float ClipNorm, long Step);
