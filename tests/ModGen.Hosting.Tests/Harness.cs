using System.Text.Json;
using System.Text.RegularExpressions;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Tests;

/// <summary>What a verb did.</summary>
internal sealed record Outcome(int Code, string Out, string Error)
{
    public IReadOnlyList<string> ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Standard output as JSON, a line each; fails on a line that is none.</summary>
    public IReadOnlyList<JsonElement> Json => [.. Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    public IReadOnlyList<JsonElement> Events(string name) => [.. Json.Where(line => line.GetProperty("event").GetString() == name)];
}

/// <summary>A folder of its own for a test, and the verbs run in process on it.</summary>
internal sealed class Harness : IDisposable
{
    private const string Sentence = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.\n";

    public Harness()
    {
        Directory.CreateDirectory(Folder);
        File.WriteAllText(Data, string.Concat(Enumerable.Range(0, 200).Select(i => $"{i} {Sentence}")));
    }

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), $"modgen-hosting-{Guid.NewGuid():N}");

    public string Data => Path.Combine(Folder, "text.txt");

    public string Checkpoints => Path.Combine(Folder, "checkpoints");

    public Task<Outcome> Run(params string[] args) => Run<Tiny>(args);

    public Task<Outcome> Run<TModel>(params string[] args)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel> => Run<TModel>(args, [], input: null, CancellationToken.None);

    public static async Task<Outcome> Run<TModel>(string[] args, string[] byDefault, string? input, CancellationToken interruption)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        return await Run<TModel>(args, byDefault, input, new StringWriter { NewLine = "\n" }, interruption);
    }

    /// <summary>Runs a verb and presses Ctrl-C when it writes a line that matches <paramref name="when"/>.</summary>
    public static async Task<Outcome> RunInterrupted<TModel>(string[] args, string when)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        using var interruption = new CancellationTokenSource();
        return await Run<TModel>(args, [], input: null, new Trigger(when, interruption), interruption.Token);
    }

    private static async Task<Outcome> Run<TModel>(string[] args, string[] byDefault, string? input, StringWriter output, CancellationToken interruption)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var error = new StringWriter { NewLine = "\n" };
        var console = new AppConsole(output, error, input is null ? null : new StringReader(input), IsTerminal: false);
        var code = await new App<TModel>(console, interruption).RunAsync(args, byDefault);
        return new Outcome(code, output.ToString(), error.ToString());
    }

    private sealed class Trigger : StringWriter
    {
        private readonly string _when;
        private readonly CancellationTokenSource _interruption;

        public Trigger(string when, CancellationTokenSource interruption)
        {
            (_when, _interruption) = (when, interruption);
            NewLine = "\n";
        }

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value is not null && Regex.IsMatch(value, _when))
                _interruption.Cancel();
        }
    }

    /// <summary>The arguments of a short training run.</summary>
    public string[] TrainArguments(int steps, params string[] more) =>
        ["train", "--data", Data, "--checkpoint", Checkpoints, "--steps", $"{steps}", "--batch", "4", "--warmup", "2", "--eval-sequences", "4", "--threads", "1", .. more];

    /// <summary>Trains for some steps; the run must succeed.</summary>
    public async Task Train(int steps, params string[] more)
    {
        var outcome = await Run(TrainArguments(steps, more));
        Assert.True(outcome.Code == 0, outcome.Error);
    }

    public string NewestCheckpoint => Checkpoint.FindLatest(Checkpoints).Latest!.Folder;

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
