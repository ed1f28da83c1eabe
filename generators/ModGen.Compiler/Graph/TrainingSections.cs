using System.Collections.Generic;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Graph;

/// <summary>The sections of the forward pass over whole sequences, routed by top-k.</summary>
internal static class TrainingSections
{
    public static Section Embedding(ModelSpec spec)
    {
        var graph = new GraphBuilder();
        var tokens = graph.Input("tokens", TensorType.BatchedIntegers(spec.Context));
        var x = graph.Add("x", new Embedding(), tokens, new DecoderParameters(spec, graph).Embedding());
        return new Section("Embedding", graph.Build(), null, x, [], []);
    }

    public static Section Block(ModelSpec spec, BlockSpec block, string name)
    {
        var graph = new GraphBuilder();
        var parts = new DecoderGraph(spec, graph);
        var x = graph.Input("x", TensorType.Batched(spec.Context, spec.Width));
        var positions = graph.Input("positions", TensorType.BatchedIntegers(spec.Context));
        if (block.Routing is { } routing)
            return Routed(spec, routing, name, graph, parts, x, positions);

        var (_, middle, mlp) = parts.Body(x, positions, Attend(spec, graph));
        var next = graph.Add("next", new Add(), middle, mlp);
        return new Section(name, graph.Build(), x, next, [], []);
    }

    /// <summary>The head with its loss.</summary>
    public static Section Loss(ModelSpec spec)
    {
        var graph = new GraphBuilder();
        var (x, logits) = HeadLogits(spec, graph);
        var targets = graph.Input("targets", TensorType.BatchedIntegers(spec.Context));
        var loss = graph.Add("crossEntropy", new CrossEntropy(), logits, targets);
        return new Section("Loss", graph.Build(), x, null, [loss], [new Report(ReportKind.CrossEntropy, loss)]);
    }

    /// <summary>The head without a loss.</summary>
    public static Section Logits(ModelSpec spec)
    {
        var graph = new GraphBuilder();
        var (x, logits) = HeadLogits(spec, graph);
        return new Section("Logits", graph.Build(), x, null, [], [new Report(ReportKind.Logits, logits)]);
    }

    private static Section Routed(ModelSpec spec, RoutingSpec routing, string name, GraphBuilder graph, DecoderGraph parts, Value x, Value positions)
    {
        List<Value> losses = [];
        List<Report> reports = [];
        var scores = parts.Scores(x, positions, routing);
        var selected = graph.Add("selected", new TopK(routing.Tokens), scores);
        reports.Add(new Report(ReportKind.Scores, scores));
        reports.Add(new Report(ReportKind.Selected, selected));
        if (routing.AuxiliaryWeight > 0)
        {
            var loss = graph.Add("auxiliaryLoss", new RoutingLoss(), scores, selected);
            losses.Add(graph.Add("weightedLoss", new Scale(routing.AuxiliaryWeight), loss));
            reports.Add(new Report(ReportKind.AuxiliaryLoss, loss));
        }

        if (routing.PredictorWidth > 0)
        {
            var logits = parts.PredictorLogits(x, routing.PredictorWidth);
            var loss = graph.Add("predictorLoss", new RoutingLoss(), logits, selected);
            losses.Add(loss);
            reports.Add(new Report(ReportKind.PredictorLogits, logits));
            reports.Add(new Report(ReportKind.PredictorLoss, loss));
        }

        var gathered = graph.Add("gathered", new GatherRows(), x, selected);
        var delta = parts.Delta(gathered, selected, Attend(spec, graph));
        var next = parts.Merge(x, scores, selected, delta, routing.Gate);
        return new Section(name, graph.Build(), x, next, losses, reports);
    }

    private static (Value X, Value Logits) HeadLogits(ModelSpec spec, GraphBuilder graph)
    {
        var x = graph.Input("x", TensorType.Batched(spec.Context, spec.Width));
        return (x, new DecoderGraph(spec, graph).Logits(x));
    }

    private static System.Func<Value, Value> Attend(ModelSpec spec, GraphBuilder graph) =>
        qkv => graph.AddAll(["attended", "logSumExp"], new CausalAttention(spec.Heads, spec.KeyValueHeads, spec.HeadWidth), qkv)[0];
}
