using System.CommandLine;
using System.Globalization;
using ModGen.Hosting.Output;
using Spectre.Console;

namespace ModGen.Hosting.Commands;

/// <summary><c>inspect</c>: what the declaration costs, layer by layer, and the C# and CUDA C++ that it became.</summary>
internal sealed class InspectVerb<TModel> : Verb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private const int BatchOfExample = 16;
    private readonly Option<string?> _source = Options.Path("--source", "Write the generated C# into this folder.", "DIR");

    private readonly Option<string?> _kernels = Options.Path("--kernels", "Write the complete CUDA C++ of every kernel into this folder; no GPU is needed.", "DIR");
    private readonly Option<CudaPrecision> _precision = PrecisionOption.Create();

    public InspectVerb()
        : base("inspect", "Show what the model costs: parameters, FLOPs and memory, in all and a layer.") =>
        AddOptions(_source, _kernels, _precision);

    protected override Task<int> RunAsync(ParseResult arguments, VerbOutput output, CancellationToken interruption)
    {
        output.Emit("model", Description);
        output.Write(Costs());
        output.Write(Layers());
        if (arguments.GetValue(_source) is { } folder)
        {
            foreach (var file in GeneratedSource.Write(typeof(TModel), folder))
            {
                output.Note($"Wrote {file}.");
                output.Emit("source", new { File = file });
            }

            if (GeneratedSource.CompiledAgainBy(folder) is { } project)
                output.Warn($"{folder} lies within {project}, whose next build would compile these files once more; move them out, or name a folder below obj.");
        }

        if (arguments.GetValue(_kernels) is { } kernels)
        {
            var files = KernelSources.Write(typeof(TModel), Description, arguments.GetValue(_precision), kernels);
            output.Note($"Wrote {Units.Plural(files.Count, "kernel")} to {kernels}.");
            foreach (var file in files)
                output.Emit("kernel", new { File = file });
        }

        return Task.FromResult(ExitCode.Success);
    }

    private static Table Costs()
    {
        var model = Description;
        var table = new Table().Border(TableBorder.Rounded).AddColumn(model.Name).AddColumn("");
        var routed = model.Layers.Count(layer => layer.IsRouted);
        Row("shape", $"{Units.Plural(model.Layers.Count, "layer")} ({routed} routed), width {model.Width}, {Units.Plural(model.Heads, "head")} of {model.HeadWidth}, {model.KeyValueHeads} of keys and values, MLP {model.FeedForward}");
        Row("vocabulary, context", $"{model.Vocabulary}, {model.Context}");
        Row("head", model.TiedHead ? "shares the embedding" : "its own matrix");
        Row("parameters", $"{Units.Grouped(model.Parameters)} ({Units.Bytes(4.0 * model.Parameters)} in float32)");
        Row("FLOPs a token, forward", $"{Units.Flops(model.FlopsPerToken)}, {Units.Percent(model.FlopsPerToken / model.DenseFlopsPerToken)} of the dense model's {Units.Flops(model.DenseFlopsPerToken)}");
        Row("FLOPs a token, training", Units.Flops(3 * model.FlopsPerToken));
        Row("activations a sequence", Units.Bytes(model.ActivationBytesPerSequence));
        Row($"memory to train, batch {BatchOfExample}", Units.Bytes(4.0 * 4 * model.Parameters + (double)BatchOfExample * model.ActivationBytesPerSequence));
        Row("fingerprint", model.Fingerprint);
        return table;

        void Row(string name, string value) => table.AddRow(new Text(name), new Text(value));
    }

    private static Table Layers()
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in (ReadOnlySpan<string>)["layer", "tokens", "routing", "gate", "causal scheme", "parameters", "FLOPs a token", "share"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var layer in Description.Layers)
        {
            table.AddRow(
                $"{layer.Index}", $"{layer.Tokens}", layer.Routing, layer.Gate, Causal(layer), Units.Grouped(layer.Parameters),
                Units.Flops(layer.FlopsPerToken), Units.Percent(layer.FlopsPerToken / Description.FlopsPerToken));
        }

        return table;
    }

    private static string Causal(LayerDescription layer)
    {
        var predictor = layer.PredictorWidth > 0 ? $"predictor of {layer.PredictorWidth}" : "";
        var auxiliary = layer.AuxiliaryWeight > 0 ? string.Create(CultureInfo.InvariantCulture, $"auxiliary loss × {layer.AuxiliaryWeight}") : "";
        return (predictor, auxiliary) switch
        {
            ("", var other) => other,
            (var other, "") => other,
            _ => $"{predictor}, {auxiliary}",
        };
    }
}
