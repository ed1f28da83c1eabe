using System.CommandLine;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Commands;

/// <summary>One verb: its options and what it does. All verbs share where checkpoints lie, the device and the form of output.</summary>
internal abstract class Verb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Option<bool> _json = Options.Flag("--json", "Write one JSON object a line to standard output; everything else goes to standard error.");
    private readonly Option<int> _threads = Options.Number("--threads", "Threads that compute; 0 for one a processor. Results do not depend on it.", 0, n => n is >= 0 and <= 1024, "0 to 1024");
    private readonly Option<string> _device = new("--device") { Description = "Where to compute: cpu.", HelpName = "NAME", DefaultValueFactory = _ => "cpu" };
    private readonly Option<string> _checkpoint = new("--checkpoint")
    {
        Description = "Folder of the run's checkpoints.",
        HelpName = "DIR",
        DefaultValueFactory = _ => $"./checkpoints/{typeof(TModel).Name}",
    };

    protected Verb(string name, string description)
    {
        Command = new Command(name, description);
        _device.Validators.Add(result =>
        {
            var name = result.GetValueOrDefault<string>();
            if (name == "cuda")
                result.AddError("--device is 'cuda'; this version has no CUDA back end, use cpu.");
            else if (name != "cpu")
                result.AddError($"--device is '{name}'; it must be cpu.");
        });
    }

    /// <summary>The verb as the command line knows it.</summary>
    public Command Command { get; }

    protected static ModelDescription Description => TModel.Description;

    /// <summary>Runs the verb. Errors that a user can mend leave it as exceptions.</summary>
    public async Task<int> RunAsync(ParseResult arguments, AppConsole console, CancellationToken interruption)
    {
        using var device = Device.Cpu(arguments.GetValue(_threads));
        return await RunAsync(arguments, device, new VerbOutput(console, arguments.GetValue(_json)), interruption).ConfigureAwait(false);
    }

    protected abstract Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption);

    /// <summary>Adds the verb's own options; the common ones follow when the last has been added.</summary>
    protected void AddOptions(params ReadOnlySpan<Option> own)
    {
        foreach (var option in own)
            Command.Options.Add(option);
        foreach (var option in (ReadOnlySpan<Option>)[_checkpoint, _device, _threads, _json])
            Command.Options.Add(option);
    }

    /// <summary>The folder of the run's checkpoints.</summary>
    protected string CheckpointRoot(ParseResult arguments)
    {
        var root = arguments.GetValue(_checkpoint);
        return string.IsNullOrWhiteSpace(root) ? throw new AppException("--checkpoint is empty; name a folder.", ExitCode.Usage) : root;
    }
}
