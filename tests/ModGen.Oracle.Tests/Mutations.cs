using ModGen.Compiler;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Oracle.Tests;

/// <summary>What published code gets wrong, each as a graph that is wrong in that way and in no other.</summary>
internal static class Mutations
{
    /// <summary>r · (x + f) in place of x + r · f.</summary>
    public static ModelGraph GateOverTheResidual(ModelGraph model) => GraphRewriter.Apply(model, (graph, node, inputs) =>
    {
        if (node.Op is not ScaleRows)
            return graph.Keep(node, inputs);
        var gathered = graph["gathered"];
        var whole = graph.Builder.Add("whole", new Add(), inputs[0], gathered);
        var scaled = graph.Builder.Add("scaled", new ScaleRows(), whole, inputs[1]);
        // The rows are added to x afterwards, so that x itself must go.
        return [graph.Builder.Add("replaced", new Add(), scaled, graph.Builder.Add("without", new Scale(-1), gathered))];
    });

    /// <summary>Scores above the k-th largest: k − 1 tokens.</summary>
    public static ModelGraph OneTokenFewer(ModelGraph model) => GraphRewriter.Apply(model, (graph, node, inputs) =>
        node.Op is TopK top ? graph.Builder.AddAll(["selected"], new TopK(top.Count - 1), inputs) : graph.Keep(node, inputs));

    /// <summary>Rotary positions counted anew among the selected.</summary>
    public static ModelGraph RenumberedPositions(ModelGraph model) => GraphRewriter.Apply(model, (graph, node, inputs) =>
        node.Op is Rotary && inputs[1].Name == "selected"
            ? graph.Keep(node, [inputs[0], graph.Builder.Add("renumbered", new Renumber(), inputs[1])])
            : graph.Keep(node, inputs));

    /// <summary>A predictor that reads the block's output.</summary>
    public static ModelGraph PredictorBehindTheBlock(ModelGraph model) => GraphRewriter.Apply(
        model,
        (graph, node, inputs) => node.Op is StopGradient && graph.New.Keys.Any(v => v.Name == "next")
            ? graph.Keep(node, [graph["next"]])
            : graph.Keep(node, inputs),
        order: nodes => nodes.Any(n => n.Op is TopK) ? nodes.OrderBy(n => n.Outputs[0].Name is { } name && (name == "detached" || name.StartsWith("predictor", StringComparison.Ordinal)) ? 1 : 0) : nodes);

    /// <summary>Top-k of one token at decode: every token enters.</summary>
    public static ModelGraph EveryTokenEnters(ModelGraph model) => GraphRewriter.Apply(model, (graph, node, inputs) =>
        node.Op is CausalSelect ? graph.Builder.AddAll([.. node.Outputs.Select(o => o.Name)], new EnterAll(), inputs) : graph.Keep(node, inputs));

    /// <summary>Caches indexed by absolute position, in which a skipped token leaves zeros that are attended to.</summary>
    public static ModelGraph ZerosInTheCache(ModelGraph model) => GraphRewriter.Apply(model, (graph, node, inputs) =>
        node.Op is CachedAttention a
            ? graph.Builder.AddAll(
                [.. node.Outputs.Select(o => o.Name)], new PositionedAttention(a.Heads, a.KeyValueHeads, a.HeadWidth), [.. inputs, graph[inputs[1].Name == "sequences" ? "positions" : "enteredPositions"]])
            : graph.Keep(node, inputs));

    private sealed record Renumber : Op, IMeaningful
    {
        public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs[0]];

        public double[][] Evaluate(Tensor[] inputs, OpContext context) => [[.. inputs[0].Values.Select((_, i) => (double)(i % inputs[0].Stride))]];
    }

    private sealed record EnterAll : Op, IMeaningful
    {
        public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
        {
            var active = new TensorType(ElementType.Int32, LeadingExtent.Active, default);
            return [active, active, active];
        }

        public double[][] Evaluate(Tensor[] inputs, OpContext context) =>
            [[.. Enumerable.Range(0, inputs[0].Values.Length).Select(row => (double)row)], inputs[1].Values, inputs[2].Values];
    }

    private sealed record PositionedAttention(int Heads, int KeyValueHeads, int HeadWidth) : Op, IMeaningful
    {
        public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs[0].WithLast(Heads * HeadWidth), inputs[1]];

        public double[][] Evaluate(Tensor[] inputs, OpContext context)
        {
            var at = new OpMeaning.Packing(Heads, KeyValueHeads, HeadWidth);
            var qkv = inputs[0];
            var width = KeyValueHeads * HeadWidth;
            var output = new double[qkv.Rows * Heads * HeadWidth];
            for (var row = 0; row < qkv.Rows; row++)
            {
                var cache = context.Caches[inputs[1].Integer(row)];
                while (cache.Keys.Count < inputs[2].Integer(row))
                    cache.Append(new double[width], new double[width]);
                cache.Append(qkv.Values.AsSpan(at.Key(row, 0), width).ToArray(), qkv.Values.AsSpan(at.Value(row, 0), width).ToArray());
                OpMeaning.AttendTo(cache.Keys, cache.Values, qkv.Values, row, at, output);
            }

            return [output, inputs[1].Values];
        }
    }
}
