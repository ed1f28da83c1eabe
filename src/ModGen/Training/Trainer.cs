using System.Diagnostics;
using ModGen.Files;
using ModGen.Programs;

namespace ModGen;

/// <summary>
/// Trains a model step by step. Equal seeds, batches and settings give bitwise equal runs, also across a checkpoint.
/// Not for several threads at once.
/// </summary>
/// <typeparam name="TModel">The model to train.</typeparam>
public sealed partial class Trainer<TModel> : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly TokenBatch<TModel>[] _one = new TokenBatch<TModel>[1];
    private readonly LossMeter _meter;
    private PendingStep<TModel>? _own;

    internal Trainer(TModel model, int batch, AdamW optimizer, TrainingOptions? options)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        options ??= new TrainingOptions();
        if (batch % options.Accumulation != 0)
            throw new ArgumentException($"A batch of {batch} cannot be cut into Accumulation {options.Accumulation} equal micro-batches; make one a multiple of the other.", nameof(batch));
        Model = model;
        Batch = batch;
        MicroBatch = batch / options.Accumulation;
        Optimizer = optimizer;
        Options = options;
        Seed = options.Seed;
        Program = model.CreateTrainingProgram(MicroBatch);
        _meter = new LossMeter(model.Description);
    }

    /// <summary>The model that is trained; its weights change with every step.</summary>
    public TModel Model { get; }

    /// <summary>Sequences a step.</summary>
    public int Batch { get; }

    /// <summary>Sequences that are in memory at once: the batch over the accumulation.</summary>
    public int MicroBatch { get; }

    /// <summary>The optimizer.</summary>
    public AdamW Optimizer { get; }

    /// <summary>How the trainer steps.</summary>
    public TrainingOptions Options { get; private set; }

    /// <summary>Seed of what training draws: the options', or the loaded checkpoint's.</summary>
    public ulong Seed { get; internal set; }

    /// <summary>Steps done, and those under way.</summary>
    public long Steps { get; internal set; }

    /// <summary>Sequences of the data that these steps have been trained on: where <see cref="Corpus{TModel}.Batches"/> goes on.</summary>
    public long DataPosition { get; internal set; }

    /// <summary>Learning rate of the next step.</summary>
    public float LearningRate => (float)(Optimizer.LearningRate * (Options.Schedule?.Factor(Steps + 1) ?? 1));

    internal TrainingProgram Program { get; }

    /// <summary>Sets the learning rate of the steps to come, for runs that find out on the way how long they will be.</summary>
    /// <param name="schedule">The new schedule; null for a constant rate.</param>
    public void Reschedule(LearningRateSchedule? schedule) => Options = Options with { Schedule = schedule };

    /// <summary>Trains on one batch: forward, backward, clipping, AdamW.</summary>
    /// <param name="batch">As many rows as <see cref="Batch"/>; it is cut into micro-batches here.</param>
    /// <exception cref="ArgumentException">The batch has another number of rows, or no target that counts.</exception>
    /// <exception cref="TrainingDivergedException">The loss or the gradient is not finite; the parameters are as before the step.</exception>
    public StepResult Step(TokenBatch<TModel> batch)
    {
        CheckBatch(batch);
        _one[0] = batch;
        return Step(_one);
    }

    /// <summary>Trains on several batches as if they were one: their gradients add up before the one update.</summary>
    /// <param name="batches">Batches whose rows are multiples of <see cref="MicroBatch"/>, at least one.</param>
    /// <exception cref="ArgumentException">A batch does not divide into micro-batches, or no target counts.</exception>
    /// <exception cref="TrainingDivergedException">The loss or the gradient is not finite; the parameters are as before the step.</exception>
    public StepResult Step(IReadOnlyList<TokenBatch<TModel>> batches)
    {
        // Nobody else ever holds it, so every step can have the same one.
        _own ??= new PendingStep<TModel>(this);
        Begin(_own, batches);
        return _own.Wait();
    }

    /// <summary>The losses over batches under top-k routing, without training on them.</summary>
    /// <param name="batches">Batches whose rows are multiples of <see cref="MicroBatch"/>, such as <see cref="Corpus{TModel}.ValidationBatches"/>.</param>
    /// <exception cref="ArgumentException">There is no batch, or none whose targets count, or one does not divide into micro-batches.</exception>
    public EvaluationResult Evaluate(IEnumerable<TokenBatch<TModel>> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        Settle();
        var started = Stopwatch.GetTimestamp();
        _meter.Clear();
        foreach (var batch in batches)
        {
            CheckRows(batch);
            for (var row = 0; row < batch.Count; row += MicroBatch)
            {
                var targets = Micro(batch.Targets, row);
                if (TokenBatch<TModel>.CountIn(targets) is var count and > 0)
                {
                    Program.Evaluate(Micro(batch.Tokens, row), targets, CounterRandom.Hash(0, (ulong)(batch.Position + row)));
                    _meter.Add(Program, count);
                }
            }
        }

        if (_meter.Weight == 0)
            throw new ArgumentException("There is nothing to evaluate: no batch has a target that counts.", nameof(batches));
        return new EvaluationResult(_meter.Loss, _meter.AuxiliaryLoss, _meter.PredictorLoss, (long)_meter.Weight, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>The logits of every position of a batch, under top-k routing.</summary>
    /// <param name="batch">As many rows as <see cref="MicroBatch"/>.</param>
    /// <exception cref="ArgumentException">The batch has another number of rows, or its logits are more than an array holds.</exception>
    /// <exception cref="TrainingDivergedException">A step under way did.</exception>
    public Logits<TModel> Logits(TokenBatch<TModel> batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count != MicroBatch)
            throw new ArgumentException($"The batch has {batch.Count} sequences; logits are computed for {MicroBatch} at a time.", nameof(batch));
        if ((long)batch.Tokens.Length * Model.Description.Vocabulary is var count && count > Array.MaxLength)
            throw new ArgumentException($"The logits of {batch.Count} sequences are {count} numbers; {Array.MaxLength} is the most. Make a trainer of a smaller batch for them.", nameof(batch));
        Settle();
        var logits = new Logits<TModel>(batch.Tokens.Length);
        Program.Logits(batch.Tokens, logits.Values, CounterRandom.Hash(0, (ulong)batch.Position));
        return logits;
    }

    /// <summary>Writes a checkpoint below <paramref name="root"/>: whole, or not at all.</summary>
    /// <param name="root">Folder of this run's checkpoints; made when missing.</param>
    /// <param name="keep">Checkpoints to keep, the newest; older ones are deleted.</param>
    /// <returns>The folder of the new checkpoint.</returns>
    /// <exception cref="CheckpointException">It could not be written; earlier ones are as they were.</exception>
    /// <exception cref="TrainingDivergedException">A step under way did.</exception>
    public string Save(string root, int keep = 3)
    {
        Settle();
        return CheckpointWriter.Save(this, root, keep);
    }

    /// <summary>Continues from a checkpoint: weights, moments, step, seed and data position.</summary>
    /// <param name="folder">The folder of one checkpoint.</param>
    /// <exception cref="CheckpointException">It is damaged or of another declaration; nothing has been changed.</exception>
    public CheckpointInfo Load(string folder)
    {
        FinishAll();
        return CheckpointReader.Load(this, folder);
    }

    /// <summary>Frees the gradients, the moments and the activations. The model stays.</summary>
    public void Dispose() => Program.Dispose();

    private ReadOnlySpan<int> Micro(ReadOnlySpan<int> values, int row)
    {
        var context = Model.Description.Context;
        return values.Slice(row * context, MicroBatch * context);
    }

    private long CountTargets(IReadOnlyList<TokenBatch<TModel>> batches)
    {
        long counted = 0;
        for (var i = 0; i < batches.Count; i++)
        {
            CheckRows(batches[i]);
            counted += batches[i].Counted;
        }

        return counted > 0 ? counted : throw new ArgumentException("There is nothing to train on: no batch has a target that counts.", nameof(batches));
    }

    private void CheckBatch(TokenBatch<TModel> batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count != Batch)
            throw new ArgumentException($"The batch has {batch.Count} sequences; the trainer was made for {Batch}.", nameof(batch));
    }

    private void CheckRows(TokenBatch<TModel> batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count % MicroBatch != 0)
            throw new ArgumentException($"A batch of {batch.Count} sequences cannot be cut into micro-batches of {MicroBatch}.", nameof(batch));
    }
}
