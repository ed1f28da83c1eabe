using System.Diagnostics;

namespace ModGen.Hosting.Training;

/// <summary>Why a run ended.</summary>
internal enum RunEnd
{
    Completed,
    OutOfTime,
    Interrupted,
}

/// <summary>
/// The loop: steps, evaluations, saves, until the last step, the end of its time or Ctrl-C. It ends with a checkpoint
/// in every case but an error.
/// </summary>
internal sealed class TrainingRun<TModel>(
    Trainer<TModel> trainer, Corpus<TModel> corpus, TrainSettings settings, RunCadence cadence, string root, TrainingHistory history, ITrainingView view)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <summary>A run of so many minutes is cut off when it takes this many times as long: the machine got slower.</summary>
    private const double Patience = 1.25;

    /// <summary>Share of a run's minutes that its speed is measured over: the first steps still compile code.</summary>
    private const double Measuring = 1.0 / 12;

    /// <summary>Seconds of a run's minutes that are set aside for its last evaluation and checkpoint.</summary>
    private const double SecondsToFinish = 1;

    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly SpeedMeter _speed = new();
    private TrainSettings _settings = settings;
    // What a run resumes from is saved already.
    private long _savedStep = trainer.Steps > 0 ? trainer.Steps : -1;
    private long _evaluatedStep = -1;
    private PendingStep<TModel>? _pending;

    /// <summary>The settings as the run left them, with its number of steps.</summary>
    public TrainSettings Settings => _settings;

    public double? ValidationLoss { get; private set; }

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_started);

    public RunEnd Run(CancellationToken interruption)
    {
        foreach (var batch in corpus.Batches(_settings.Batch, trainer.Seed, trainer.DataPosition))
        {
            if (Over(interruption) is { } end)
                return End(end);
            Step(batch);
        }

        throw new UnreachableException("Training batches have no end.");
    }

    private RunEnd? Over(CancellationToken interruption) =>
        interruption.IsCancellationRequested ? RunEnd.Interrupted
        : trainer.Steps >= _settings.Steps ? RunEnd.Completed
        : _settings.Minutes is { } minutes && Elapsed.TotalMinutes > Patience * minutes ? RunEnd.OutOfTime
        : null;

    // The next step is under way while the last one is reported, so that the device does not wait for this.
    private void Step(TokenBatch<TModel> batch)
    {
        var next = trainer.Begin(batch);
        Report();
        _pending = next;
        var (evaluates, saves) = (IsDue(next.Number, cadence.EvaluateEvery), IsDue(next.Number, cadence.SaveEvery));
        if (evaluates || saves || next.IsFinished)
            Report();
        if (evaluates)
            Evaluate();
        if (saves)
            Save();
    }

    private void Report()
    {
        if (_pending is null)
            return;
        var result = _pending.Wait();
        _pending = null;
        history.Add(result.Step, result.Loss);
        _speed.Add(result.Tokens, result.Elapsed);
        FixLength(result.Step);
        view.Stepped(new TrainingProgress(result, _settings.Steps, _speed.TokensPerSecond, TModel.Description.FlopsPerToken, Elapsed, TimeLeft(result.Step)));
    }

    /// <summary>
    /// After the warm-up and a twelfth of the time, the speed tells how many steps the minutes hold; from there on the
    /// run is fixed. Until then the rate does not depend on their number.
    /// </summary>
    private void FixLength(long step)
    {
        if (_settings.Steps is not null || step < Math.Max(_settings.WarmUp, SpeedMeter.Enough) || Elapsed.TotalMinutes < Measuring * _settings.Minutes)
            return;
        var left = _settings.Minutes!.Value * 60 - Elapsed.TotalSeconds - SecondsToFinish;
        var steps = step + Math.Max(1, (long)(left / _speed.MedianSeconds));
        _settings = _settings with { Steps = steps };
        _settings.Save(root);
        trainer.Reschedule(_settings.Schedule);
    }

    private TimeSpan? TimeLeft(long step) => _settings.Steps is { } steps
        ? TimeSpan.FromSeconds((steps - step) * _speed.RecentSeconds)
        : _settings.Minutes is { } minutes ? TimeSpan.FromMinutes(minutes) - Elapsed : null;

    private static bool IsDue(long step, long every) => every > 0 && step % every == 0;

    private RunEnd End(RunEnd end)
    {
        Report();
        if (end != RunEnd.Interrupted)
            Evaluate();
        Save();
        return end;
    }

    private void Evaluate()
    {
        if (_evaluatedStep == trainer.Steps || corpus.ValidationSequences == 0)
            return;
        _evaluatedStep = trainer.Steps;
        var result = trainer.Evaluate(corpus.ValidationBatches(_settings.Batch, cadence.EvaluationSequences));
        ValidationLoss = result.Loss;
        history.AddValidation(result.Loss);
        view.Evaluated(trainer.Steps, result);
    }

    private void Save()
    {
        if (_savedStep == trainer.Steps)
            return;
        var folder = trainer.Save(root, cadence.Keep);
        _savedStep = trainer.Steps;
        history.Save(root);
        view.Saved(trainer.Steps, folder);
    }
}

/// <summary>How often a run looks up from training.</summary>
/// <param name="EvaluateEvery">Steps between evaluations; 0 for one at the end only.</param>
/// <param name="EvaluationSequences">Validation sequences of one evaluation.</param>
/// <param name="SaveEvery">Steps between checkpoints; 0 for one at the end only.</param>
/// <param name="Keep">Checkpoints to keep.</param>
internal sealed record RunCadence(long EvaluateEvery, long EvaluationSequences, long SaveEvery, int Keep);
