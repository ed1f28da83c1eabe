namespace ModGen.Evaluation;

/// <summary>Counts decisions of both routings, sequence by sequence.</summary>
internal sealed class RoutingTally<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Dictionary<int, LayerCounts> _counts = [];
    private RoutingMap<TModel> _topK = new();
    private RoutingMap<TModel> _causal = new();
    private int[] _tokens = [];
    private RoutingExample<TModel>? _example;

    public RoutingTally()
    {
        foreach (var layer in Layers)
            _counts[layer] = new LayerCounts(TModel.Description.Context);
    }

    public IReadOnlyList<int> Layers => _topK.RoutedLayers;

    public long Tokens { get; set; }

    public long Sequences { get; private set; }

    /// <summary>Sum over the tokens.</summary>
    public double TopKLoss { get; set; }

    /// <summary>Sum over the tokens.</summary>
    public double CausalLoss { get; set; }

    public void Begin(ReadOnlySpan<int> tokens)
    {
        _tokens = tokens.ToArray();
        (_topK, _causal) = (new RoutingMap<TModel> { Length = tokens.Length }, new RoutingMap<TModel> { Length = tokens.Length });
    }

    public void AddTopK(int layer, ReadOnlySpan<int> selected)
    {
        foreach (var position in selected)
            _topK.Set(layer, position, entered: true);
    }

    public void AddCausal(int layer, int start, ReadOnlySpan<byte> entered)
    {
        for (var i = 0; i < entered.Length; i++)
            _causal.Set(layer, start + i, entered[i] != 0);
    }

    public void End()
    {
        foreach (var (layer, counts) in _counts)
            for (var position = 0; position < _tokens.Length; position++)
                counts.Add(position, _topK.Entered(layer, position), _causal.Entered(layer, position));
        Sequences++;
        _example ??= new RoutingExample<TModel>(_tokens, _topK, _causal);
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
