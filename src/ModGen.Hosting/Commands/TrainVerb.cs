using System.CommandLine;
using System.Globalization;
using ModGen.Hosting.Output;
using ModGen.Hosting.Reports;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Commands;

/// <summary><c>train</c>: trains, evaluates, saves; resumes.</summary>
internal sealed class TrainVerb<TModel> : DeviceVerb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly TrainOptions _options = new();
    private readonly Option<bool> _resume = Options.Flag("--resume", "Go on from the run's newest checkpoint, bit for bit, with the settings it began with.");
    private readonly Option<bool> _fresh = Options.Flag("--fresh", "Begin anew where there are checkpoints; they are moved to DIR.previous, in place of those moved before.");
    private readonly Option<string?> _report = Options.Path("--report", "Write an HTML page with the loss chart and the routing of a validation text.", "FILE");

    public TrainVerb()
        : base("train", "Train the model and save checkpoints. Ctrl-C finishes the step, saves and exits with 130.") =>
        AddOptions([.. _options.All, _resume, _fresh, _report]);

    protected override DeviceChoice? Began(ParseResult arguments) =>
        arguments.GetValue(_resume) ? TrainSettings.Load(CheckpointRoot(arguments))?.Device : null;

    protected override Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption)
    {
        var (root, resumes, fresh) = (CheckpointRoot(arguments), arguments.GetValue(_resume), arguments.GetValue(_fresh));
        if (resumes && fresh)
            throw new AppException("--resume goes on and --fresh begins anew; give one.", ExitCode.Usage);
        if (TrainedModel.IsCheckpoint(root))
            throw new AppException($"--checkpoint {root} is a checkpoint; name its run's folder, {TrainedModel.RunOf(root)}.", ExitCode.Usage);
        var remembered = resumes ? TrainSettings.Load(root) : null;
        _options.Check(arguments, remembered);
        var resumed = resumes ? TrainedModel.Find(root, output) : null;
        if (!resumes)
            RunFolder.Check(root, fresh);
        var corpus = _options.Corpus.Open<TModel>(arguments, output, remembered);
        using var model = TModel.Create(device, arguments.GetValue(_options.Seed));
        var settings = _options.Read(arguments, remembered, corpus.Length, output);
        using var trainer = model.CreateTrainer(settings.Batch, settings.Optimizer, settings.TrainingOptions);
        if (resumed is not null)
            Resume(trainer, resumed, output);
        settings = _options.Extend(arguments, settings, trainer.Steps) with { Device = DeviceChoice.Of(device) };
        trainer.Reschedule(settings.Schedule);
        // Only now that nothing the user wrote can be wrong any more: what is moved takes the place of an earlier run.
        if (!resumes)
            RunFolder.MoveAside(root, output);
        settings.Save(root);
        Announce(device, settings, output);
        return Task.FromResult(Run(arguments, output, root, trainer, corpus, settings, interruption));
    }

    private int Run(
        ParseResult arguments, VerbOutput output, string root, Trainer<TModel> trainer, Corpus<TModel> corpus, TrainSettings settings, CancellationToken interruption)
    {
        var history = TrainingHistory.Load(root, trainer.Steps);
        var view = View(output, arguments.GetValue(_options.LogEvery));
        var run = new TrainingRun<TModel>(trainer, corpus, settings, _options.Cadence(arguments), root, history, view);
        var end = RunEnd.Completed;
        view.Show(() => end = run.Run(interruption));
        output.Emit("done", new { Step = trainer.Steps, Reason = end, run.ValidationLoss });
        if (arguments.GetValue(_report) is { } report && end != RunEnd.Interrupted)
            WriteReport(report, trainer.Model, corpus, history, output, interruption);
        if (end == RunEnd.OutOfTime)
            output.Warn(OutOfTime(run.Settings, trainer.Steps));
        if (end != RunEnd.Interrupted)
            return ExitCode.Success;
        output.Note($"Interrupted after step {trainer.Steps}; everything is saved, and train --resume goes on from there.");
        return ExitCode.Interrupted;
    }

    private static string OutOfTime(TrainSettings settings, long step) => settings.Steps is { } steps
        ? string.Create(CultureInfo.InvariantCulture, $"the machine got slower: stopped a quarter past its {settings.Minutes} minutes, at step {step} of {steps}; --resume finishes the run.")
        : string.Create(CultureInfo.InvariantCulture, $"{settings.Minutes} minutes are too short to measure how many steps they hold: stopped at step {step}; --resume goes on with more --minutes or with --steps.");

    private static void Resume(Trainer<TModel> trainer, string folder, VerbOutput output)
    {
        trainer.Load(folder);
        output.Note($"Resumed: step {Units.Grouped(trainer.Steps)} from {folder}.");
    }

    private static void Announce(Device device, TrainSettings settings, VerbOutput output)
    {
        output.Note($"Device: {device.Name}; {device.Reason}.");
        var length = settings.Steps is { } steps ? Units.Plural(steps, "step") : string.Create(CultureInfo.InvariantCulture, $"{settings.Minutes} minutes");
        var share = Description.IsRouted ? $", {Units.Percent(Description.FlopsPerToken / Description.DenseFlopsPerToken)} of the dense model's FLOPs" : "";
        output.Note($"Training {Description.Name} ({Units.Count(Description.Parameters)} parameters{share}) on {device.Name} for {length}.");
        output.Emit("start", new
        {
            Model = Description.Name,
            Description.Parameters,
            Description.FlopsPerToken,
            Device = device.Name,
            DeviceReason = device.Reason,
            settings.Steps,
            settings.Minutes,
            settings.Batch,
            settings.LearningRate,
            settings.Seed,
        });
    }

    private static ITrainingView View(VerbOutput output, long logEvery) =>
        output.IsJson ? new JsonTrainingView(output, logEvery)
        : output.IsLive ? new LiveTrainingView(output)
        : new PlainTrainingView(output, logEvery);

    private static void WriteReport(
        string path, TModel model, Corpus<TModel> corpus, TrainingHistory history, VerbOutput output, CancellationToken interruption)
    {
        var evaluation = corpus.ValidationSequences == 0 ? null : Evaluation.Run(model, corpus, sequences: 32, batch: 8, interruption);
        HtmlReport.Write(path, ReportData.Of(history, evaluation), output);
    }
}
