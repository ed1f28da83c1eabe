using System.Diagnostics;
using ModGen.Cuda;
using ModGen.Programs;

namespace ModGen;

/// <content>How steps are begun, ended and given up.</content>
public sealed partial class Trainer<TModel>
{
    private readonly Queue<PendingStep<TModel>> _underWay = new(TrainingProgram.MostUnderWay);
    private long _finished;

    /// <summary>
    /// Begins a step and comes back before it is done, where the device runs ahead of the host. To begin the next one before
    /// this one is waited for keeps the device busy meanwhile; it gives the same bits. Two may be under way: to begin a third
    /// waits for the first. Whatever else is asked of the trainer waits for all.
    /// </summary>
    /// <param name="batch">As many rows as <see cref="Batch"/>; it is cut into micro-batches here.</param>
    /// <exception cref="ArgumentException">The batch has another number of rows, or no target that counts.</exception>
    /// <exception cref="TrainingDivergedException">As of <see cref="PendingStep{TModel}.Wait"/>, on a device that does not run ahead.</exception>
    public PendingStep<TModel> Begin(TokenBatch<TModel> batch)
    {
        CheckBatch(batch);
        return Begin([batch]);
    }

    /// <summary>Begins a step over several batches, as <see cref="Step(IReadOnlyList{TokenBatch{TModel}})"/> makes it.</summary>
    /// <param name="batches">Batches whose rows are multiples of <see cref="MicroBatch"/>, at least one.</param>
    /// <exception cref="ArgumentException">A batch does not divide into micro-batches, or no target counts.</exception>
    /// <exception cref="TrainingDivergedException">As of <see cref="PendingStep{TModel}.Wait"/>, on a device that does not run ahead.</exception>
    public PendingStep<TModel> Begin(IReadOnlyList<TokenBatch<TModel>> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        var step = new PendingStep<TModel>(this);
        Begin(step, [.. batches]);
        return step;
    }

    /// <summary>Waits for the steps under way; the first that failed throws.</summary>
    internal void Settle()
    {
        var steps = _underWay.ToArray();
        FinishAll();
        foreach (var step in steps)
            step.Wait();
    }

    /// <summary>Brings a step and those before it to their end, and leaves with each what came of it.</summary>
    internal void Finish(PendingStep<TModel> step)
    {
        while (!step.IsFinished)
        {
            var oldest = _underWay.Peek();
            try
            {
                oldest.Complete(End(oldest));
                _underWay.Dequeue();
            }
            catch (Exception e) when (e is TrainingDivergedException or CudaException)
            {
                Abandon(oldest, e);
            }
        }
    }

    private void FinishAll()
    {
        while (_underWay.TryPeek(out var oldest))
            Finish(oldest);
    }

    private void Begin(PendingStep<TModel> step, IReadOnlyList<TokenBatch<TModel>> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        var counted = CountTargets(batches);
        while (_underWay.Count >= TrainingProgram.MostUnderWay)
            _underWay.Peek().Wait();
        step.Begin(batches, Steps + 1, LearningRate, counted, DataPosition);
        try
        {
            _meter.Clear();
            Accumulate(step);
            Program.SendUpdate(Optimizer.Update(step.LearningRate, Options.ClipNorm, step.Number));
        }
        catch
        {
            // Those before it are not touched by what this one met.
            FinishAll();
            ClearGradients();
            throw;
        }

        Steps = step.Number;
        DataPosition = batches[^1].NextPosition;
        _underWay.Enqueue(step);
        if (!Program.RunsAhead)
            Finish(step);
    }

    // The micro-batches of a step, on the program.
    private void Accumulate(PendingStep<TModel> step)
    {
        var micro = 0UL;
        step.Counts.Clear();
        for (var i = 0; i < step.Batches.Count; i++)
        {
            var batch = step.Batches[i];
            for (var row = 0; row < batch.Count; row += MicroBatch)
            {
                var draw = CounterRandom.Hash(Seed, (ulong)step.Number, micro++);
                var targets = Micro(batch.Targets, row);
                var count = TokenBatch<TModel>.CountIn(targets);
                if (count == 0)
                    continue;
                Program.Accumulate(Micro(batch.Tokens, row), targets, (float)((double)count / step.Tokens), draw);
                step.Counts.Add(count);
                if (Program.RunsAhead)
                    continue;
                if (!float.IsFinite(Program.CrossEntropy))
                    throw Divergence.Found(Model, Program, step.Number, $"the loss is {Program.CrossEntropy}");
                _meter.Add(Program, count);
            }
        }
    }

    private StepResult End(PendingStep<TModel> step)
    {
        var norm = Program.AwaitUpdate();
        string? symptom = null;
        if (Program.RunsAhead)
        {
            _meter.Clear();
            for (var run = 0; run < step.Counts.Count; run++)
            {
                Program.Recall(run);
                if (!float.IsFinite(Program.CrossEntropy))
                    symptom ??= $"the loss is {Program.CrossEntropy}";
                _meter.Add(Program, step.Counts[run]);
            }
        }

        if (!double.IsFinite(norm))
            symptom ??= $"the norm of the gradient is {norm}";
        if (symptom is not null)
            throw Diverged(step, symptom);
        var (began, ended) = (Math.Max(step.Began, _finished), Stopwatch.GetTimestamp());
        _finished = ended;
        return new StepResult(step.Number, _meter.Loss, _meter.AuxiliaryLoss, _meter.PredictorLoss, norm, step.LearningRate, step.Tokens, Stopwatch.GetElapsedTime(began, ended));
    }

    // The steps behind it have changed nothing but the gradients, which are made again to see where it came from.
    private TrainingDivergedException Diverged(PendingStep<TModel> step, string symptom)
    {
        if (_underWay.Count > 1)
        {
            for (var later = 1; later < _underWay.Count; later++)
                Program.AwaitUpdate();
            Program.ClearGradients();
            Accumulate(step);
        }

        return Divergence.Found(Model, Program, step.Number, symptom);
    }

    private void Abandon(PendingStep<TModel> step, Exception error)
    {
        foreach (var lost in _underWay)
            lost.Fail(error);
        _underWay.Clear();
        ClearGradients();
        (Steps, DataPosition) = (step.Number - 1, step.StartPosition);
    }

    private void ClearGradients()
    {
        try
        {
            Program.ClearGradients();
        }
        catch (CudaException)
        {
            // The device is lost, and what it was lost over is the exception under way.
        }
    }
}
