using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Globalization;
using ModGen.Cuda;
using ModGen.Hosting.Commands;
using ModGen.Hosting.Output;

namespace ModGen.Hosting;

/// <summary>The program around a model: parses, runs a verb, and turns every error into one line and an exit code.</summary>
internal sealed class App<TModel>(AppConsole console, CancellationToken interruption)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly IReadOnlyList<Verb<TModel>> _verbs =
        [new TrainVerb<TModel>(), new SampleVerb<TModel>(), new EvalVerb<TModel>(), new InspectVerb<TModel>(), new BenchVerb<TModel>()];

    public async Task<int> RunAsync(IReadOnlyList<string> args, IReadOnlyList<string> byDefault)
    {
        // Numbers are read and written the same way everywhere; the setting flows with this task only.
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        if (args.Count > 0)
            return await RunOneAsync(args).ConfigureAwait(false);
        if (byDefault.Count == 0)
            return await RunOneAsync(["--help"]).ConfigureAwait(false);
        foreach (var line in byDefault)
        {
            string[] words = [.. CommandLineParser.SplitCommandLine(line)];
            // For people: standard output may be for a program.
            var echo = words.Contains("--json") ? console.Error : console.Out;
            echo.WriteLine($"> {line}");
            var code = await RunOneAsync(words).ConfigureAwait(false);
            if (code != ExitCode.Success)
                return code;
            echo.WriteLine();
        }

        return ExitCode.Success;
    }

    private async Task<int> RunOneAsync(IReadOnlyList<string> args)
    {
        var root = new RootCommand($"Trains, samples and measures {TModel.Description.Name}.");
        foreach (var verb in _verbs)
            root.Subcommands.Add(verb.Command);
        var parsed = root.Parse(args);
        var chosen = _verbs.FirstOrDefault(verb => verb.Command == parsed.CommandResult.Command);
        if (parsed.Action is ParseErrorAction || (chosen is null && parsed.Action is null))
            return Refuse(parsed, chosen?.Command.Name);
        if (chosen is null || parsed.Action is not null)
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = console.Out, Error = console.Error }, CancellationToken.None).ConfigureAwait(false);
        return await GuardAsync(() => chosen.RunAsync(parsed, console, interruption)).ConfigureAwait(false);
    }

    private int Refuse(ParseResult parsed, string? verb)
    {
        foreach (var message in parsed.Errors.Select(error => error.Message).Distinct())
            console.Error.WriteLine($"error: {OneLine(message)}");
        console.Error.WriteLine(verb is null
            ? $"The verbs are {string.Join(", ", _verbs.Select(v => v.Command.Name))}; --help tells more."
            : $"{verb} --help lists the options.");
        return ExitCode.Usage;
    }

    private async Task<int> GuardAsync(Func<Task<int>> run)
    {
        try
        {
            return await run().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (interruption.IsCancellationRequested)
        {
            console.Error.WriteLine("Interrupted.");
            return ExitCode.Interrupted;
        }
        catch (Exception e) when (Describe(e) is var (message, code))
        {
            console.Error.WriteLine($"error: {OneLine(message)}");
            return code;
        }
    }

    /// <summary>The line and the code of errors that a user can mend; null for defects of the program.</summary>
    private static (string Message, int Code)? Describe(Exception e) => e switch
    {
        AppException app => (app.Message, app.ExitCode),
        TrainingDivergedException => (e.Message, ExitCode.Diverged),
        ModGenException or CudaException or IOException or UnauthorizedAccessException or OutOfMemoryException => (e.Message, ExitCode.Failure),
        ArgumentException argument => (WithoutParameter(argument), ExitCode.Usage),
        _ => null,
    };

    private static string WithoutParameter(ArgumentException e) =>
        e.ParamName is { } name ? e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : e.Message;

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();
}
