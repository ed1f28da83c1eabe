using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ModGen.Hosting.Output;
using Spectre.Console;

namespace ModGen.Hosting.Commands;

/// <summary><c>bench</c>: how fast the model trains and samples on this machine.</summary>
internal sealed class BenchVerb<TModel> : Verb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private const int WarmUpSteps = 3;
    private readonly Option<int> _batch = Options.Number("--batch", "Sequences a training step.", 16, n => n is >= 1 and <= 1 << 20, "1 or more");
    private readonly Option<int> _texts = Options.Number("--texts", "Texts decoded side by side.", 1, n => n is >= 1 and <= 4096, "1 to 4096");
    private readonly Option<double> _seconds = Options.Number("--seconds", "Time of each measurement.", 5.0, n => n is > 0 and <= 3600, "above 0 and at most 3600");
    private readonly Option<ulong> _seed = Options.Number("--seed", "Seed of the tokens, and of the parameters where there is no checkpoint.", 1UL, _ => true, "a whole number from 0");

    public BenchVerb()
        : base("bench", "Measure training steps and decoded tokens a second.") =>
        AddOptions(_batch, _texts, _seconds, _seed);

    protected override Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption)
    {
        var (batch, texts, seed) = (arguments.GetValue(_batch), arguments.GetValue(_texts), arguments.GetValue(_seed));
        var time = TimeSpan.FromSeconds(arguments.GetValue(_seconds));
        using var model = TModel.Create(device, seed);
        var trained = Checkpoint.FindLatest(CheckpointRoot(arguments)).Latest;
        if (trained is not null)
            Checkpoint.LoadWeights(model, trained.Folder);
        else
            output.Note("There is no checkpoint: decoding is measured with untrained routers, which let another share of the tokens in.");
        // Decoding comes first: training changes the weights.
        var decoding = Decode(model, texts, time, interruption);
        var training = Train(model, batch, seed, time, interruption);
        var machine = Machine.Of(device);
        output.Emit("bench", new { Model = Description.Name, Machine = machine, Training = training, Decoding = decoding });
        output.Write(Results(machine, training, decoding));
        return Task.FromResult(ExitCode.Success);
    }

    private static TrainingSpeed Train(TModel model, int batch, ulong seed, TimeSpan time, CancellationToken interruption)
    {
        using var trainer = model.CreateTrainer(batch, new AdamW(LearningRate: 1e-4f));
        var tokens = RandomBatch(batch, seed);
        for (var i = 0; i < WarmUpSteps; i++)
            trainer.Step(tokens);
        var steps = new List<double>();
        for (var started = Stopwatch.GetTimestamp(); steps.Count == 0 || Stopwatch.GetElapsedTime(started) < time;)
        {
            interruption.ThrowIfCancellationRequested();
            steps.Add(trainer.Step(tokens).Elapsed.TotalSeconds);
        }

        var median = Median(steps);
        return new TrainingSpeed(batch, steps.Count, 1 / median, batch * Description.Context / median, 3 * Description.FlopsPerToken * batch * Description.Context / median);
    }

    private static DecodingSpeed Decode(TModel model, int texts, TimeSpan time, CancellationToken interruption)
    {
        using var sampler = model.CreateSampler(texts);
        var prompts = Enumerable.Repeat("<", texts).ToArray();
        var options = new SamplingOptions(Temperature: 1);
        sampler.GenerateBatch(prompts, options with { MaximumTokens = Math.Min(16, Description.Context - 1) });
        var (rates, shares) = (new List<double>(), new List<double>());
        for (var started = Stopwatch.GetTimestamp(); rates.Count == 0 || Stopwatch.GetElapsedTime(started) < time;)
        {
            interruption.ThrowIfCancellationRequested();
            var results = sampler.GenerateBatch(prompts, options with { Seed = (ulong)rates.Count });
            rates.Add(results.Sum(text => text.Tokens.Count) / results.Max(text => text.Decode.TotalSeconds));
            shares.AddRange(results.SelectMany(text => text.Routing.RoutedLayers.Select(text.Routing.Share)));
        }

        return new DecodingSpeed(texts, rates.Count, Median(rates), shares.Count == 0 ? 1 : shares.Average());
    }

    private static TokenBatch<TModel> RandomBatch(int batch, ulong seed)
    {
        var random = new Random((int)(seed % int.MaxValue));
        return new TokenBatch<TModel>(Draw(), Draw());

        int[] Draw() => [.. Enumerable.Range(0, batch * Description.Context).Select(_ => random.Next(Description.Vocabulary))];
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static Table Results(Machine machine, TrainingSpeed training, DecodingSpeed decoding)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn(Description.Name).AddColumn("");
        Row("processor", $"{machine.Processor}, {Units.Plural(machine.Processors, "logical processor")}");
        Row("device", machine.Device);
        Row("versions", $"ModGen {machine.Library}, {machine.Runtime}, {machine.System}");
        Row($"training, batch {training.Batch} × {Description.Context}", string.Create(CultureInfo.InvariantCulture, $"{training.StepsPerSecond:F2} steps/s, {Units.Count(training.TokensPerSecond)} tokens/s, {Units.FlopRate(training.FlopsPerSecond)} (median of {training.Steps} steps)"));
        Row($"decoding, {Units.Plural(decoding.Texts, "text")}", $"{Units.Count(decoding.TokensPerSecond)} tokens/s (median of {decoding.Runs} runs to the full context; {Units.Percent(decoding.EnteredShare)} of the tokens entered routed layers)");
        return table;

        void Row(string name, string value) => table.AddRow(new Text(name), new Text(value));
    }

    private sealed record TrainingSpeed(int Batch, int Steps, double StepsPerSecond, double TokensPerSecond, double FlopsPerSecond);

    private sealed record DecodingSpeed(int Texts, int Runs, double TokensPerSecond, double EnteredShare);
}
