using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>Removes nodes that compute nothing: once gradients are derived, a stop-gradient is its input.</summary>
internal static class Simplifier
{
    public static TensorGraph Simplify(TensorGraph graph)
    {
        var same = graph.Nodes.Where(n => n.Op is StopGradient).ToDictionary(n => n.Output, n => n.Inputs[0]);
        if (same.Count == 0)
            return graph;
        var nodes = graph.Nodes.Where(n => n.Op is not StopGradient)
            .Select(n => n.Inputs.Any(same.ContainsKey) ? new Node(n.Op, n.Inputs.Select(i => same.TryGetValue(i, out var s) ? s : i).ToList(), n.Outputs) : n)
            .ToList();
        return new TensorGraph(graph.Inputs, graph.Parameters, nodes);
    }
}
