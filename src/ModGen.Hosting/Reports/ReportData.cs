using ModGen.Hosting.Output;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Reports;

/// <summary>What a report shows, free of the model's type.</summary>
/// <param name="Model">The model.</param>
/// <param name="History">The run's losses; may be empty.</param>
/// <param name="Evaluation">Losses of both routings; null without a validation part.</param>
/// <param name="Layers">Routed layers.</param>
/// <param name="Maps">The example sequence under top-k and under causal routing.</param>
internal sealed record ReportData(
    ModelDescription Model, IReadOnlyList<HistoryPoint> History, ReportLosses? Evaluation, IReadOnlyList<LayerRoutingReport> Layers, IReadOnlyList<ReportMap> Maps)
{
    public static ReportData Of<TModel>(TrainingHistory history, EvaluationReport<TModel>? evaluation)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        if (evaluation is null)
            return new ReportData(TModel.Description, history.Points, null, [], []);
        var example = evaluation.Example;
        return new ReportData(
            TModel.Description,
            history.Points,
            new ReportLosses(evaluation.TopKLoss, evaluation.CausalLoss, evaluation.Tokens, evaluation.Sequences),
            evaluation.Layers,
            evaluation.Layers.Count == 0 ? [] : [ReportMap.Of("top-k routing, as trained", example.Tokens, example.TopK), ReportMap.Of("causal routing, as sampled", example.Tokens, example.Causal)]);
    }
}

/// <summary>Losses of an evaluation, in nats a byte.</summary>
internal sealed record ReportLosses(double TopK, double Causal, long Tokens, long Sequences);

/// <summary>One sequence under one routing.</summary>
/// <param name="Title">Which routing.</param>
/// <param name="Layers">Indices of the routed layers.</param>
/// <param name="Entered">A row a routed layer: whether each position entered.</param>
/// <param name="Text">The sequence as characters with their depths.</param>
internal sealed record ReportMap(string Title, IReadOnlyList<int> Layers, IReadOnlyList<bool[]> Entered, RoutedText Text)
{
    public static ReportMap Of<TModel>(string title, IReadOnlyList<int> tokens, RoutingMap<TModel> map)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel> => new(
            title,
            map.RoutedLayers,
            [.. map.RoutedLayers.Select(layer => Enumerable.Range(0, map.Length).Select(position => map.Entered(layer, position)).ToArray())],
            RoutedText.Of(tokens.Select(token => (byte)token).ToArray(), map));
}
