namespace ModGen;

/// <summary>How a model does under the routing it was trained with and under the one it samples with.</summary>
/// <typeparam name="TModel">The model.</typeparam>
/// <param name="Tokens">Targets that counted.</param>
/// <param name="Sequences">Sequences evaluated.</param>
/// <param name="TopKLoss">Mean cross-entropy under top-k routing, in nats a token.</param>
/// <param name="CausalLoss">The same under causal routing.</param>
/// <param name="Layers">One entry a routed layer.</param>
/// <param name="Example">The first sequence.</param>
/// <param name="Elapsed">Wall time.</param>
public sealed record EvaluationReport<TModel>(
    long Tokens, long Sequences, double TopKLoss, double CausalLoss, IReadOnlyList<LayerRoutingReport> Layers, RoutingExample<TModel> Example, TimeSpan Elapsed)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    /// <summary>What causal routing costs, in nats a token.</summary>
    public double CausalCost => CausalLoss - TopKLoss;
}

/// <summary>One routed layer under both routings, over all evaluated tokens.</summary>
/// <param name="Layer">Index of the layer.</param>
/// <param name="Capacity">Share of the tokens that top-k takes: k / context.</param>
/// <param name="CausalCapacity">Share of the tokens that entered under causal routing.</param>
/// <param name="Agreement">Share of the tokens on which both routings decide alike.</param>
/// <param name="Precision">Share of the tokens that entered causally which top-k takes too; 1 when none entered.</param>
/// <param name="Recall">Share of the tokens that top-k takes which entered causally too.</param>
/// <param name="TopKByPosition">(context) share of the sequences in which top-k takes the position.</param>
/// <param name="CausalByPosition">(context) share of the sequences in which the position entered causally.</param>
public sealed record LayerRoutingReport(
    int Layer, double Capacity, double CausalCapacity, double Agreement, double Precision, double Recall,
    IReadOnlyList<double> TopKByPosition, IReadOnlyList<double> CausalByPosition);

/// <summary>One sequence and where its tokens went.</summary>
/// <param name="Tokens">(context) token ids.</param>
/// <param name="TopK">Under top-k routing.</param>
/// <param name="Causal">Under causal routing.</param>
/// <typeparam name="TModel">The model.</typeparam>
public sealed record RoutingExample<TModel>(IReadOnlyList<int> Tokens, RoutingMap<TModel> TopK, RoutingMap<TModel> Causal)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>;
