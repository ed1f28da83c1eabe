namespace ModGen.Evaluation;

/// <summary>Counts decisions of both routings, sequence by sequence.</summary>
internal sealed class RoutingTally<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Dictionary<int, LayerCounts> _counts = [];
    private RoutingExample<TModel>? _example;

    public RoutingTally()
    {
        foreach (var layer in Layers)
            _counts[layer] = new LayerCounts(TModel.Description.Context);
    }

    public IReadOnlyList<int> Layers { get; } = new RoutingMap<TModel>().RoutedLayers;

    public long Tokens { get; set; }

    public long Sequences { get; private set; }

    /// <summary>Sum over the tokens.</summary>
    public double TopKLoss { get; set; }

    /// <summary>Sum over the tokens.</summary>
    public double CausalLoss { get; set; }

    /// <summary>A sequence whose decisions are to be filled in.</summary>
    public static RoutingExample<TModel> Begin(ReadOnlySpan<int> tokens) =>
        new(tokens.ToArray(), new RoutingMap<TModel> { Length = tokens.Length }, new RoutingMap<TModel> { Length = tokens.Length });

    public void End(RoutingExample<TModel> sequence)
    {
        foreach (var (layer, counts) in _counts)
            for (var position = 0; position < sequence.Tokens.Count; position++)
                counts.Add(position, sequence.TopK.Entered(layer, position), sequence.Causal.Entered(layer, position));
        Sequences++;
        _example ??= sequence;
    }

    public EvaluationReport<TModel> Report(TimeSpan elapsed) => new(
        Tokens, Sequences, TopKLoss / Tokens, CausalLoss / Tokens, [.. Layers.Select(layer => _counts[layer].Report(layer, Sequences))], _example!, elapsed);

    private sealed class LayerCounts(int context)
    {
        private readonly long[] _topK = new long[context];
        private readonly long[] _causal = new long[context];
        private readonly long[] _both = new long[context];

        public void Add(int position, bool topK, bool causal)
        {
            _topK[position] += topK ? 1 : 0;
            _causal[position] += causal ? 1 : 0;
            _both[position] += topK && causal ? 1 : 0;
        }

        public LayerRoutingReport Report(int layer, long sequences)
        {
            var (topK, causal, both) = ((double)_topK.Sum(), (double)_causal.Sum(), (double)_both.Sum());
            var tokens = (double)sequences * context;
            return new LayerRoutingReport(
                layer, topK / tokens, causal / tokens, (tokens - topK - causal + 2 * both) / tokens,
                causal == 0 ? 1 : both / causal, topK == 0 ? 1 : both / topK,
                [.. _topK.Select(count => count / (double)sequences)], [.. _causal.Select(count => count / (double)sequences)]);
        }
    }
}
