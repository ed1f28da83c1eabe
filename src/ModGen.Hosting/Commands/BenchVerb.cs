using System.CommandLine;
using System.Globalization;
using ModGen.Cuda;
using ModGen.Hosting.Output;
using ModGen.Programs;
using Spectre.Console;

namespace ModGen.Hosting.Commands;

/// <summary><c>bench</c>: how fast the model trains and samples on this machine.</summary>
internal sealed class BenchVerb<TModel> : DeviceVerb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Option<int> _batch = Options.Number("--batch", "Sequences a training step.", 16, n => n is >= 1 and <= 1 << 20, "1 or more");
    private readonly Option<int> _texts = Options.Number("--texts", "Texts decoded side by side.", 1, n => n is >= 1 and <= 4096, "1 to 4096");
    private readonly Option<double> _seconds = Options.Number("--seconds", "Time of each measurement.", 5.0, n => n is > 0 and <= 3600, "above 0 and at most 3600");
    private readonly Option<ulong> _seed = Options.Number("--seed", "Seed of the tokens, and of the parameters where there is no checkpoint.", 1UL, _ => true, "a whole number from 0");
    private readonly Option<int?> _position = Options.OptionalNumber<int>("--position", "Tokens that the texts hold while single decoding steps are timed; half the context when not given.", n => n >= 1, "1 or more");
    private readonly Option<double?> _enter = Options.OptionalNumber<double>("--enter", "Share of the tokens let into routed layers while single decoding steps are timed; what routers decide when not given.", n => n is >= 0 and <= 1, "0 to 1");
    private readonly Option<bool> _launches = Options.Flag("--launches", "Time every kernel of a training step and of a decoding step too, on a GPU.");

    public BenchVerb()
        : base("bench", "Measure training steps and decoded tokens a second.") =>
        AddOptions(_batch, _texts, _seconds, _seed, _position, _enter, _launches);

    protected override Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption)
    {
        var position = arguments.GetValue(_position) ?? Math.Max(1, Description.Context / 2);
        if (position >= Description.Context)
            throw new AppException($"--position is {position}; the context holds {Description.Context} tokens, and a step appends one.", ExitCode.Usage);
        var enter = arguments.GetValue(_enter);
        if (enter is not null && !Description.IsRouted)
            throw new AppException($"--enter lets tokens into routed layers; {Description.Name} has none.", ExitCode.Usage);
        var bench = new Bench<TModel>(TimeSpan.FromSeconds(arguments.GetValue(_seconds)), arguments.GetValue(_seed), arguments.GetValue(_launches), interruption);
        using var model = TModel.Create(device, arguments.GetValue(_seed));
        if (TrainedModel.FindAny(CheckpointRoot(arguments), output) is { } trained)
            Checkpoint.LoadWeights(model, trained);
        else if (Description.IsRouted)
            output.Note($"There is no checkpoint: {(enter is null ? "decoding is measured" : "whole texts are decoded")} with untrained routers, which let another share of the tokens in.");
        // Decoding comes first: training changes the weights.
        var decoding = bench.Decode(model, arguments.GetValue(_texts));
        var step = bench.DecodeStep(model, arguments.GetValue(_texts), position, enter);
        var training = bench.Train(model, arguments.GetValue(_batch));
        Show(output, device, training, decoding, step);
        if (arguments.GetValue(_launches) && training.Launches.Count == 0)
            output.Note($"{device.Name} has no launches to time.");
        return Task.FromResult(ExitCode.Success);
    }

    private static void Show(VerbOutput output, Device device, TrainingSpeed training, DecodingSpeed decoding, StepSpeed step)
    {
        var machine = Machine.Of(device);
        var loading = (device as CudaDevice)?.Context.Loading;
        var kernels = loading is { } loaded ? new { loaded.Kernels, loaded.Cached, Seconds = loaded.Elapsed.TotalSeconds } : null;
        output.Emit("bench", new { Model = Description.Name, Machine = machine, Kernels = kernels, Training = training, Decoding = decoding, DecodingStep = step });
        output.Write(Results(machine, loading, training, decoding, step));
        foreach (var launches in (ReadOnlySpan<IReadOnlyList<LaunchTime>>)[training.Launches, step.Launches])
            if (launches.Count > 0)
                output.Write(LaunchTable.Of(launches));
    }

    private static Table Results(Machine machine, KernelLoading? loading, TrainingSpeed training, DecodingSpeed decoding, StepSpeed step)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn(Description.Name).AddColumn("");
        Row("processor", $"{machine.Processor}, {Units.Plural(machine.Processors, "logical processor")}");
        Row("device", machine.Cuda is null ? machine.Device : $"{machine.Device} (CUDA: {machine.Cuda})");
        Row("versions", $"ModGen {machine.Library}, {machine.Runtime}, {machine.System}");
        if (loading is { } kernels)
            Row("kernels", string.Create(CultureInfo.InvariantCulture, $"{kernels.Kernels} ready in {kernels.Elapsed.TotalSeconds:F2} s, {kernels.Cached} of them from the cache"));
        Row($"training, batch {training.Batch} × {Description.Context}", string.Create(CultureInfo.InvariantCulture, $"{1e3 * training.SecondsPerStep:F2} ms a step, {Units.Count(training.TokensPerSecond)} tokens/s, {Units.FlopRate(training.FlopsPerSecond)} (median of {Units.Plural(training.Steps, "step")})"));
        if (training.DeviceBytes > 0)
            Row("memory of training", Units.Bytes(training.DeviceBytes));
        Row($"decoding, {Units.Plural(decoding.Texts, "text")}", $"{Units.Count(decoding.TokensPerSecond)} tokens/s (median of {Units.Plural(decoding.Runs, "run")} to the full context{Entered(decoding.EnteredShare)})");
        Row($"a decoding step at {step.Position}", string.Create(CultureInfo.InvariantCulture, $"{1e6 * step.Seconds:F0} µs (median of {Units.Plural(step.Steps, "step")}{Entered(step.EnteredShare)})"));
        return table;

        static string Entered(double share) => Description.IsRouted ? $"; {Units.Percent(share)} of the tokens entered routed layers" : "";

        void Row(string name, string value) => table.AddRow(new Text(name), new Text(value));
    }
}
