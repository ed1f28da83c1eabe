using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>
/// Lets a routed block update the residual stream in place. Rows that pass by stay as they were, and the rows that entered are kept
/// as they were gathered: so the backward pass finds what it reads of the block's input in its result and in these.
/// </summary>
internal static class InPlaceRouting
{
    /// <summary>The graph with nobody reading the block's input behind the scatter that may overwrite it, or null where that cannot be had.</summary>
    /// <param name="graph">Forward nodes, then backward nodes.</param>
    /// <param name="forwardNodes">How many of them, from the first, are forward.</param>
    /// <param name="section">The section.</param>
    public static TensorGraph? Of(TensorGraph graph, int forwardNodes, Section section)
    {
        if (section is not { StreamIn: { } x, StreamOut: { } y } || graph.Nodes.FirstOrDefault(n => n.Op is ScatterAddRows && n.Output == y) is not { } scatter)
            return null;
        var gather = graph.Nodes.Take(forwardNodes).FirstOrDefault(n => n.Op is GatherRows && n.Inputs[0] == x && n.Inputs[1] == scatter.Inputs[1]);
        if (gather is null || scatter.Inputs[0] != x)
            return null;
        var behind = graph.Nodes.SkipWhile(n => n != scatter).Skip(1).Where(n => n.Inputs.Contains(x)).ToList();
        if (behind.Any(n => n.Op is not RouterWeightGradient || n.Inputs[0] != x))
            return null;
        return new TensorGraph(
            graph.Inputs, graph.Parameters,
            [.. graph.Nodes.Select(n => behind.Contains(n) ? new Node(new RoutedWeightGradient(), [y, gather.Output, gather.Inputs[1], n.Inputs[1]], n.Outputs) : n)]);
    }
}
