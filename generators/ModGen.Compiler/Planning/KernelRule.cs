using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>
/// One row of a back end's table: a kernel and the nodes it can stand for. Rules are tried in order, so the most
/// fused come first and the kernels of single nodes last.
/// </summary>
/// <param name="Kernel">Name of the kernel.</param>
/// <param name="Match">Tries to match a pattern whose last node is the given one.</param>
public sealed record KernelRule(string Kernel, Func<Matcher, Node, KernelMatch?> Match);

/// <summary>Nodes that a kernel can stand for, and its operands.</summary>
public sealed record KernelMatch(IReadOnlyList<Node> Nodes, IReadOnlyList<Operand> Operands);

/// <summary>The questions a rule asks of the graph around a node.</summary>
public sealed class Matcher
{
    private readonly Dictionary<Value, Node> _producers = [];
    private readonly Dictionary<Value, List<Node>> _uses = [];
    private readonly HashSet<Value> _exported;

    /// <param name="graph">The graph.</param>
    /// <param name="exported">Values that leave the graph: they must be materialised.</param>
    public Matcher(TensorGraph graph, IEnumerable<Value> exported)
    {
        _exported = [.. exported];
        foreach (var node in graph.Nodes)
        {
            foreach (var output in node.Outputs)
                _producers[output] = node;
            foreach (var input in node.Inputs.Distinct())
            {
                if (!_uses.TryGetValue(input, out var uses))
                    _uses[input] = uses = [];
                uses.Add(node);
            }
        }
    }

    /// <summary>The node that computes <paramref name="value"/> when it is a <typeparamref name="T"/>; else null.</summary>
    public Node? Producer<T>(Value value) where T : Op =>
        _producers.TryGetValue(value, out var node) && node.Op is T ? node : null;

    /// <summary>The node that computes <paramref name="value"/> when it is a <typeparamref name="T"/> and nobody else reads it.</summary>
    public Node? SoleProducer<T>(Value value) where T : Op =>
        !_exported.Contains(value) && Uses(value).Count == 1 ? Producer<T>(value) : null;

    /// <summary>The nodes that read <paramref name="value"/>.</summary>
    public IReadOnlyList<Node> Uses(Value value) => _uses.TryGetValue(value, out var uses) ? uses : [];

    /// <summary>The one use of <paramref name="value"/> that is a <typeparamref name="T"/>, or null.</summary>
    public Node? Use<T>(Value value) where T : Op
    {
        var uses = Uses(value).Where(n => n.Op is T).ToList();
        return uses.Count == 1 ? uses[0] : null;
    }

    /// <summary>True when only the given nodes read <paramref name="value"/> and it does not leave the graph.</summary>
    public bool OnlyFeeds(Value value, params Node[] readers) => !_exported.Contains(value) && Uses(value).All(readers.Contains);
}
