using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>What a back end declares: the kernels it has, and in which precision they take and leave values.</summary>
/// <param name="Rules">Its kernels, the most fused first.</param>
/// <param name="Precisions">Its precisions; null when everything is a word.</param>
public sealed record BackEnd(IReadOnlyList<KernelRule> Rules, IPrecisionTable? Precisions = null);

/// <summary>The precisions of a back end's kernels.</summary>
public interface IPrecisionTable
{
    /// <summary>The precision in which <paramref name="node"/> must find its operand, or null when it takes either.</summary>
    Precision? Takes(Node node, int input);

    /// <summary>The precision of a result.</summary>
    /// <param name="node">The node.</param>
    /// <param name="output">Which result.</param>
    /// <param name="inputs">The precisions of what it reads.</param>
    Precision Leaves(Node node, int output, IReadOnlyList<Precision> inputs);
}

/// <summary>A graph in which every operand has the precision that its reader takes.</summary>
/// <param name="Graph">The graph, with <see cref="Narrow"/> nodes where a matrix product reads a float32 value.</param>
/// <param name="ForwardNodes">How many of the nodes, from the first, are forward.</param>
/// <param name="Operands">The values that are operands; all others are words.</param>
internal sealed record PrecisionGraph(TensorGraph Graph, int ForwardNodes, IReadOnlyCollection<Value> Operands)
{
    /// <summary>Assigns precisions in graph order (what is reported to the caller is float32) and inserts what narrows, right behind the producer where that runs in the same pass.</summary>
    public static PrecisionGraph Of(TensorGraph graph, int forwardNodes, IPrecisionTable? table, IReadOnlyCollection<Value> reported)
    {
        if (table is null)
            return new PrecisionGraph(graph, forwardNodes, []);
        var operands = new HashSet<Value>();
        var narrowed = new Dictionary<Value, Value>();
        var nodes = new List<Node>();
        var producers = new Dictionary<Value, Node>();
        var forward = forwardNodes;
        var nextId = graph.Inputs.Concat(graph.Parameters).Concat(graph.Nodes.SelectMany(n => n.Outputs)).Max(v => v.Id) + 1;
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            var node = graph.Nodes[i];
            var inputs = node.Inputs.ToList();
            for (var input = 0; input < inputs.Count; input++)
            {
                var value = inputs[input];
                if (value.Parameter is not null || table.Takes(node, input) is not { } wanted || wanted == PrecisionOf(value))
                    continue;
                if (wanted == Precision.Word)
                    throw new GraphException($"{node} wants {value.Name} in float32, and it is kept as an operand.");
                inputs[input] = narrowed.TryGetValue(value, out var there) ? there : Insert(value, isForward: i < forwardNodes);
            }

            Append(inputs.SequenceEqual(node.Inputs) ? node : new Node(node.Op, inputs, node.Outputs), nodes.Count);
            for (var output = 0; output < node.Outputs.Count; output++)
                if (!reported.Contains(node.Outputs[output]) && table.Leaves(node, output, inputs.Select(PrecisionOf).ToList()) == Precision.Operand)
                    operands.Add(node.Outputs[output]);
        }

        return new PrecisionGraph(new TensorGraph(graph.Inputs, graph.Parameters, nodes), forward, operands);

        Precision PrecisionOf(Value value) => operands.Contains(value) ? Precision.Operand : Precision.Word;

        Value Insert(Value value, bool isForward)
        {
            var result = new Value(nextId++, value.Name + "Narrow", value.Type);
            var at = producers.TryGetValue(value, out var producer) && nodes.IndexOf(producer) is var place && (isForward || place >= forward)
                ? place + 1
                : isForward ? nodes.Count : Math.Max(nodes.Count, forward);
            Append(new Node(new Narrow(), [value], [result]), at);
            if (isForward)
                forward++;
            operands.Add(result);
            return narrowed[value] = result;
        }

        void Append(Node node, int at)
        {
            nodes.Insert(at, node);
            foreach (var output in node.Outputs)
                producers[output] = node;
        }
    }
}
