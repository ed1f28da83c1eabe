using System;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Graph;

/// <summary>
/// The sections of causal inference: rows are the next tokens of any cached sequences. A routed block runs on the rows
/// whose own logit says so; a row that passes by leaves nothing in that layer's cache.
/// </summary>
internal static class InferenceSections
{
    private static TensorType RowIntegers { get; } = TensorType.BatchedIntegers();

    public static Section Embedding(ModelSpec spec)
    {
        var graph = new GraphBuilder();
        var tokens = graph.Input("tokens", RowIntegers);
        var x = graph.Add("x", new Embedding(), tokens, new DecoderParameters(spec, graph).Embedding());
        return new Section("Embedding", graph.Build(), null, x, [], []);
    }

    public static Section Block(ModelSpec spec, BlockSpec block, string name)
    {
        var graph = new GraphBuilder();
        var parts = new DecoderGraph(spec, graph);
        var x = graph.Input("x", TensorType.Batched(spec.Width));
        var positions = graph.Input("positions", RowIntegers);
        var sequences = graph.Input("sequences", RowIntegers);
        Value next;
        if (block.Routing is { } routing)
        {
            var scores = parts.Scores(x, positions, routing);
            var logits = routing.PredictorWidth > 0 ? parts.PredictorLogits(x, routing.PredictorWidth) : scores;
            var entered = graph.AddAll(["entered", "enteredPositions", "enteredSequences"], new CausalSelect(), logits, positions, sequences);
            var gathered = graph.Add("gathered", new GatherRows(), x, entered[0]);
            var delta = parts.Delta(gathered, entered[1], Attend(spec, graph, entered[2]));
            next = parts.Merge(x, scores, entered[0], delta, routing.Gate);
        }
        else
        {
            var (_, middle, mlp) = parts.Body(x, positions, Attend(spec, graph, sequences));
            next = graph.Add("next", new Add(), middle, mlp);
        }

        return new Section(name, graph.Build(), x, next, [], []);
    }

    /// <summary>The head, on the rows whose logits are wanted.</summary>
    public static Section Logits(ModelSpec spec)
    {
        var graph = new GraphBuilder();
        var x = graph.Input("x", TensorType.Batched(spec.Width));
        var wanted = graph.Input("wanted", new TensorType(ElementType.Int32, LeadingExtent.Active, default));
        var gathered = graph.Add("gathered", new GatherRows(), x, wanted);
        var logits = new DecoderGraph(spec, graph).Logits(gathered);
        return new Section("Logits", graph.Build(), x, null, [], [new Report(ReportKind.Logits, logits)]);
    }

    private static Func<Value, Value> Attend(ModelSpec spec, GraphBuilder graph, Value sequences) =>
        qkv => graph.AddAll(
            ["attended", "visible"], new CachedAttention(spec.Heads, spec.KeyValueHeads, spec.HeadWidth, spec.Context), qkv, sequences)[0];
}
