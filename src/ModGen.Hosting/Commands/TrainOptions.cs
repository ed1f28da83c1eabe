using System.CommandLine;
using System.Globalization;
using ModGen.Hosting.Output;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Commands;

/// <summary>The options of <c>train</c>, and how they become settings.</summary>
internal sealed class TrainOptions
{
    private const double DefaultMinutes = 5;

    public CorpusOption Corpus { get; } = new();

    public Option<ulong> Seed { get; } = Options.Number("--seed", "Seed of the parameters, the data order and random routing.", 1UL, _ => true, "a whole number from 0");

    public Option<long> LogEvery { get; } = Options.Number("--log-every", "Steps between lines, where there is no live display.", 10L, n => n >= 1, "1 or more");

    private Option<long?> Steps { get; } = Options.OptionalNumber<long>("--steps", "Steps of the whole run, a resumed part included.", n => n >= 1, "1 or more");

    private Option<double?> Minutes { get; } = Options.OptionalNumber<double>(
        "--minutes", string.Create(CultureInfo.InvariantCulture, $"Train about so long: the beginning measures how many steps that is. {DefaultMinutes} when --steps is not given either."), n => n > 0 && n <= 1e6, "above 0 and at most 1000000");

    private Option<int> Batch { get; } = Options.Number("--batch", "Sequences a step.", 16, n => n is >= 1 and <= 1 << 20, "1 or more");

    private Option<int> Accumulate { get; } = Options.Number("--accumulate", "Micro-batches that a step's sequences are cut into, to save memory.", 1, n => n is >= 1 and <= 1 << 20, "1 or more");

    private Option<float> LearningRate { get; } = Options.Number("--lr", "Peak learning rate of AdamW; it falls along a cosine to a tenth.", 3e-3f, n => n > 0 && float.IsFinite(n), "above 0");

    private Option<long> WarmUp { get; } = Options.Number("--warmup", "Steps over which the learning rate rises from 0.", 20L, n => n >= 0, "0 or more");

    private Option<float> WeightDecay { get; } = Options.Number("--weight-decay", "Decoupled weight decay of matrices.", 0.1f, n => n >= 0 && float.IsFinite(n), "0 or more");

    private Option<float> Clip { get; } = Options.Number("--clip", "Largest norm of the gradient; 0 for no clipping.", 1f, n => n >= 0 && float.IsFinite(n), "0 or more");

    private Option<long> EvaluateEvery { get; } = Options.Number("--eval-every", "Steps between validations; 0 for one at the end only.", 100L, n => n >= 0, "0 or more");

    private Option<long> EvaluationSequences { get; } = Options.Number("--eval-sequences", "Validation sequences of one validation.", 64L, n => n >= 1, "1 or more");

    private Option<long> SaveEvery { get; } = Options.Number("--save-every", "Steps between checkpoints; 0 for one at the end only.", 500L, n => n >= 0, "0 or more");

    private Option<int> Keep { get; } = Options.Number("--keep", "Checkpoints to keep, the newest.", 2, n => n >= 1, "1 or more");

    public IReadOnlyList<Option> All =>
    [
        Corpus.Data, Corpus.AllowBytes, Steps, Minutes, Batch, Accumulate, LearningRate, WarmUp, WeightDecay, Clip,
        EvaluateEvery, EvaluationSequences, SaveEvery, Keep, LogEvery, Seed,
    ];

    /// <summary>Refuses what does not go together, the settings of the run that goes on included.</summary>
    public void Check(ParseResult arguments, TrainSettings? remembered)
    {
        if (arguments.IsGiven(Steps) && arguments.IsGiven(Minutes))
            throw new AppException("--steps and --minutes both say how long to train; give one.", ExitCode.Usage);
        var (batch, accumulate) = (Value(arguments, Batch, remembered?.Batch), Value(arguments, Accumulate, remembered?.Accumulate));
        if (batch % accumulate != 0)
            throw new AppException($"--batch {batch} cannot be cut into --accumulate {accumulate} equal micro-batches; make one a multiple of the other.", ExitCode.Usage);
        if (arguments.GetValue(Steps) is { } steps && arguments.GetValue(WarmUp) > steps && arguments.IsGiven(WarmUp))
            throw new AppException($"--warmup {arguments.GetValue(WarmUp)} is longer than --steps {steps}.", ExitCode.Usage);
    }

    /// <summary>The settings: what the user wrote, else what the run began with, else the defaults.</summary>
    public TrainSettings Read(ParseResult arguments, TrainSettings? remembered, long dataLength, VerbOutput output)
    {
        if (remembered is not null && remembered.DataLength != dataLength)
            output.Warn($"the text has {dataLength} bytes and had {remembered.DataLength} when the run began; it does not go on bit for bit.");
        var path = arguments.GetValue(Corpus.Data);
        return new TrainSettings
        {
            Steps = remembered?.Steps,
            Minutes = remembered?.Minutes,
            Batch = Value(arguments, Batch, remembered?.Batch),
            Accumulate = Value(arguments, Accumulate, remembered?.Accumulate),
            LearningRate = Value(arguments, LearningRate, remembered?.LearningRate),
            WarmUp = Value(arguments, WarmUp, remembered?.WarmUp),
            WeightDecay = Value(arguments, WeightDecay, remembered?.WeightDecay),
            Clip = Value(arguments, Clip, remembered?.Clip),
            Seed = Value(arguments, Seed, remembered?.Seed),
            Data = path is null ? remembered?.Data : Path.GetFullPath(path),
            DataLength = dataLength,
            AllowBytes = Corpus.AllowsBytes(arguments, remembered),
        };
    }

    /// <summary>How long the run is, <paramref name="done"/> steps of it behind us.</summary>
    public TrainSettings Extend(ParseResult arguments, TrainSettings settings, long done)
    {
        if (arguments.GetValue(Minutes) is { } minutes)
            return settings with { Minutes = minutes, Steps = null };
        if (arguments.GetValue(Steps) is { } steps)
            settings = settings with { Steps = steps, Minutes = null };
        if (settings.Steps is null)
            return settings with { Minutes = settings.Minutes ?? DefaultMinutes };
        return settings.Steps > done
            ? settings
            : throw new AppException($"The run has done {done} of its {settings.Steps} steps; give --steps or --minutes to train longer.", ExitCode.Usage);
    }

    public RunCadence Cadence(ParseResult arguments) => new(
        arguments.GetValue(EvaluateEvery), arguments.GetValue(EvaluationSequences), arguments.GetValue(SaveEvery), arguments.GetValue(Keep));

    private static T Value<T>(ParseResult arguments, Option<T> option, T? ofRun)
        where T : struct => ofRun is { } value && !arguments.IsGiven(option) ? value : arguments.GetValue(option);
}
