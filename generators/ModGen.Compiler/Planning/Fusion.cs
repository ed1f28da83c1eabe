using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>Covers a graph with kernels of a back end's table.</summary>
internal static class Fusion
{
    /// <summary>Launches in an order in which they can run; together they cover every node exactly once.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="rules">The back end's table.</param>
    /// <param name="exported">Values that leave the graph.</param>
    public static IReadOnlyList<Launch> Cover(TensorGraph graph, IReadOnlyList<KernelRule> rules, IEnumerable<Value> exported)
    {
        var matcher = new Matcher(graph, exported);
        var position = graph.Nodes.Select((node, index) => (node, index)).ToDictionary(p => p.node, p => p.index);
        var launchOf = new Dictionary<Node, Launch>();
        foreach (var rule in rules)
        {
            foreach (var node in graph.Nodes)
            {
                if (launchOf.ContainsKey(node) || rule.Match(matcher, node) is not { } match || match.Nodes.Any(launchOf.ContainsKey))
                    continue;
                var launch = new Launch(rule.Kernel, match.Nodes.OrderBy(n => position[n]).ToList(), match.Operands);
                if (!CanRunAsOne(launch, matcher, position))
                    continue;
                foreach (var covered in match.Nodes)
                    launchOf.Add(covered, launch);
            }
        }

        if (graph.Nodes.FirstOrDefault(n => !launchOf.ContainsKey(n)) is { } uncovered)
            throw new GraphException($"No kernel of the back end computes {uncovered}.");
        return launchOf.Values.Distinct().OrderBy(l => position[l.Nodes[l.Nodes.Count - 1]]).ToList();
    }

    /// <summary>A fused kernel runs where its last node stood: everybody else who reads its results must stand behind.</summary>
    private static bool CanRunAsOne(Launch launch, Matcher matcher, Dictionary<Node, int> position)
    {
        var last = position[launch.Nodes[launch.Nodes.Count - 1]];
        return launch.Nodes.SelectMany(n => n.Outputs).SelectMany(matcher.Uses)
            .All(use => launch.Nodes.Contains(use) || position[use] > last);
    }
}
