using System.CommandLine;
using ModGen.Hosting.Output;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Commands;

/// <summary>A verb that makes a model, on a device that the user may choose.</summary>
internal abstract class DeviceVerb<TModel>(string name, string description) : Verb<TModel>(name, description)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly DeviceOption _device = new();

    protected override IReadOnlyList<Option> Common => _device.All;

    /// <summary>Where a run began that the verb is to go on with; null when it begins something new.</summary>
    protected virtual DeviceChoice? Began(ParseResult arguments) => null;

    protected sealed override async Task<int> RunAsync(ParseResult arguments, VerbOutput output, CancellationToken interruption)
    {
        using var device = _device.Open(arguments, Began(arguments), output);
        if (device is CudaDevice cuda)
            cuda.KernelsLoading = new CompilingNote(output, cuda.Context);
        return await RunAsync(arguments, device, output, interruption).ConfigureAwait(false);
    }

    protected abstract Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption);
}
