using System.CommandLine;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Commands;

/// <summary>One verb: its options and what it does. All verbs share where checkpoints lie and the form of output.</summary>
internal abstract class Verb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Option<bool> _json = Options.Flag("--json", "Write one JSON object a line to standard output; everything else goes to standard error.");
    private readonly Option<string> _checkpoint = new("--checkpoint")
    {
        Description = "Folder of the run's checkpoints.",
        HelpName = "DIR",
        DefaultValueFactory = _ => $"./checkpoints/{typeof(TModel).Name}",
    };

    protected Verb(string name, string description) => Command = new Command(name, description);

    /// <summary>The verb as the command line knows it.</summary>
    public Command Command { get; }

    protected static ModelDescription Description => TModel.Description;

    /// <summary>Runs the verb. Errors that a user can mend leave it as exceptions.</summary>
    public Task<int> RunAsync(ParseResult arguments, AppConsole console, CancellationToken interruption) =>
        RunAsync(arguments, new VerbOutput(console, arguments.GetValue(_json)), interruption);

    protected abstract Task<int> RunAsync(ParseResult arguments, VerbOutput output, CancellationToken interruption);

    /// <summary>Options that stand between the folder of checkpoints and the form of the output.</summary>
    protected virtual IReadOnlyList<Option> Common => [];

    /// <summary>Adds the verb's own options; the common ones follow when the last has been added.</summary>
    protected void AddOptions(params ReadOnlySpan<Option> own)
    {
        foreach (var option in own)
            Command.Options.Add(option);
        foreach (var option in (ReadOnlySpan<Option>)[_checkpoint, .. Common, _json])
            Command.Options.Add(option);
    }

    /// <summary>The folder of the run's checkpoints.</summary>
    protected string CheckpointRoot(ParseResult arguments)
    {
        var root = arguments.GetValue(_checkpoint);
        return string.IsNullOrWhiteSpace(root) ? throw new AppException("--checkpoint is empty; name a folder.", ExitCode.Usage) : root;
    }
}
