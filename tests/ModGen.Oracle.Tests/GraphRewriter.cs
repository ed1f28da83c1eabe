using ModGen.Compiler;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Oracle.Tests;

/// <summary>Rebuilds sections node by node, so that one node can be made another.</summary>
internal static class GraphRewriter
{
    /// <summary>Adds what stands for a node, and returns the values that stand for its results.</summary>
    public delegate IReadOnlyList<Value> Rewrite(Rebuilt rebuilt, Node node, Value[] inputs);

    /// <summary>A graph being rebuilt: the builder, and the new value of each old one.</summary>
    public sealed record Rebuilt(GraphBuilder Builder, Dictionary<Value, Value> New, TensorGraph Old)
    {
        /// <summary>The new value of the old one called <paramref name="name"/>.</summary>
        public Value this[string name] => New.First(p => p.Key.Name == name).Value;

        /// <summary>The node as it was.</summary>
        public IReadOnlyList<Value> Keep(Node node, Value[] inputs) => Builder.AddAll([.. node.Outputs.Select(o => o.Name)], node.Op, inputs);
    }

    /// <summary>The model with every block's sections rewritten.</summary>
    public static ModelGraph Apply(ModelGraph model, Rewrite rewrite, Func<IReadOnlyList<Node>, IEnumerable<Node>>? order = null) => model with
    {
        Kinds = [.. model.Kinds.Select(k => k with { Training = Apply(k.Training, rewrite, order), Inference = Apply(k.Inference, rewrite, order) })],
    };

    private static Section Apply(Section section, Rewrite rewrite, Func<IReadOnlyList<Node>, IEnumerable<Node>>? order)
    {
        var graph = section.Graph;
        var rebuilt = new Rebuilt(new GraphBuilder(), [], graph);
        foreach (var input in graph.Inputs)
            rebuilt.New[input] = rebuilt.Builder.Input(input.Name, input.Type);
        foreach (var parameter in graph.Parameters)
            rebuilt.New[parameter] = rebuilt.Builder.Parameter(parameter.Type, parameter.Parameter!);
        foreach (var node in order?.Invoke(graph.Nodes) ?? graph.Nodes)
        {
            var results = rewrite(rebuilt, node, [.. node.Inputs.Select(i => rebuilt.New[i])]);
            for (var i = 0; i < results.Count; i++)
                rebuilt.New[node.Outputs[i]] = results[i];
        }

        return new Section(
            section.Name, rebuilt.Builder.Build(), Map(section.StreamIn), Map(section.StreamOut),
            [.. section.LossTerms.Select(t => rebuilt.New[t])],
            [.. section.Reports.Select(r => new Report(r.Kind, rebuilt.New[r.Value]))]);

        Value? Map(Value? value) => value is null ? null : rebuilt.New[value];
    }
}
