using System.CommandLine;
using ModGen.Hosting.Output;
using ModGen.Hosting.Reports;
using ModGen.Hosting.Training;
using Spectre.Console;

namespace ModGen.Hosting.Commands;

/// <summary><c>eval</c>: the loss under top-k and under causal routing, and how the two agree.</summary>
internal sealed class EvalVerb<TModel> : DeviceVerb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly CorpusOption _corpus = new();
    private readonly Option<long> _sequences = Options.Number("--sequences", "Validation sequences, at even distances over the validation part.", 128L, n => n >= 1, "1 or more");
    private readonly Option<int> _batch = Options.Number("--batch", "Sequences computed at once.", 8, n => n is >= 1 and <= 1 << 20, "1 or more");
    private readonly Option<string?> _report = Options.Path("--report", "Write an HTML page with the run's loss chart and the routing of a validation text.", "FILE");

    public EvalVerb()
        : base("eval", "Measure the loss on the validation part, as trained (top-k routing) and as sampled (causal routing).") =>
        AddOptions(_corpus.Data, _corpus.AllowBytes, _sequences, _batch, _report);

    protected override Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption)
    {
        var root = CheckpointRoot(arguments);
        var (folder, run) = (TrainedModel.Find(root, output), TrainedModel.RunOf(root));
        var corpus = _corpus.Open<TModel>(arguments, output, TrainSettings.Load(run));
        if (corpus.ValidationSequences == 0)
            throw new AppException($"{corpus.Source} has no validation part to measure on.");
        var (model, checkpoint) = TrainedModel.Load<TModel>(device, folder, output);
        using (model)
        {
            var report = Evaluation.Run(model, corpus, arguments.GetValue(_sequences), arguments.GetValue(_batch), interruption);
            Show(report, checkpoint, output);
            if (arguments.GetValue(_report) is { } path)
                HtmlReport.Write(path, ReportData.Of(TrainingHistory.Load(run, checkpoint.Step), report), output);
        }

        return Task.FromResult(ExitCode.Success);
    }

    private static void Show(EvaluationReport<TModel> report, CheckpointInfo checkpoint, VerbOutput output)
    {
        output.Emit("evaluation", new
        {
            checkpoint.Step,
            report.Tokens,
            report.Sequences,
            TopK = Measures(report.TopKLoss),
            Causal = Measures(report.CausalLoss),
            report.CausalCost,
            Layers = report.Layers.Select(layer => new
            {
                layer.Layer,
                K = Description.Layers[layer.Layer].Tokens,
                layer.Capacity,
                layer.CausalCapacity,
                layer.Agreement,
                layer.Precision,
                layer.Recall,
            }),
            Seconds = report.Elapsed.TotalSeconds,
        });
        output.Note($"{Units.Grouped(report.Tokens)} bytes in {Units.Plural(report.Sequences, "sequence")} of the validation part:");
        output.Write(Losses(report));
        if (report.Layers.Count > 0)
            output.Write(Layers(report));
    }

    private static object Measures(double loss) => new { NatsPerByte = loss, BitsPerByte = loss / Math.Log(2), Perplexity = Math.Exp(loss) };

    private static Table Losses(EvaluationReport<TModel> report)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("routing");
        foreach (var column in (ReadOnlySpan<string>)["nats/byte", "bits/byte", "perplexity"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var (name, loss) in (ReadOnlySpan<(string, double)>)[("top-k, as trained", report.TopKLoss), ("causal, as sampled", report.CausalLoss)])
            table.AddRow(name, Units.Loss(loss), (loss / Math.Log(2)).ToString("F4", null), Math.Exp(loss).ToString("F3", null));
        return table;
    }

    private static Table Layers(EvaluationReport<TModel> report)
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in (ReadOnlySpan<string>)["routed layer", "k", "capacity", "causal capacity", "agreement", "precision", "recall"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var layer in report.Layers)
        {
            table.AddRow(
                $"{layer.Layer}", $"{Description.Layers[layer.Layer].Tokens}", Units.Percent(layer.Capacity), Units.Percent(layer.CausalCapacity),
                Units.Percent(layer.Agreement), Units.Percent(layer.Precision), Units.Percent(layer.Recall));
        }

        return table;
    }
}
