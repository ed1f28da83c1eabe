using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>A graph in which every operand has the precision that its reader takes.</summary>
/// <param name="Graph">The graph, with <see cref="Narrow"/> nodes where a matrix product reads a float32 value.</param>
/// <param name="ForwardNodes">How many of the nodes, from the first, are forward.</param>
/// <param name="Operands">The values that are operands; all others are words.</param>
/// <param name="Rounded">What the caller gives as operands too, and what it gets so.</param>
internal sealed record PrecisionGraph(TensorGraph Graph, int ForwardNodes, IReadOnlyCollection<Value> Operands, GradientRounding Rounded = default)
{
    /// <summary>What the name of a rounded value ends with.</summary>
    public const string Ending = "Narrow";

    /// <summary>Assigns precisions in graph order (what is reported to the caller is float32) and inserts what narrows, right behind the producer where that runs in the same pass, first where it is the forward pass's input.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="forwardNodes">How many of its nodes, from the first, are forward.</param>
    /// <param name="table">The back end's precisions; null when everything is a word.</param>
    /// <param name="reported">What is reported to the caller.</param>
    /// <param name="round">An input of which the caller gives the rounding too, and a result of which it wants that.</param>
    public static PrecisionGraph Of(TensorGraph graph, int forwardNodes, IPrecisionTable? table, IReadOnlyCollection<Value> reported, GradientRounding round = default)
    {
        if (table is null)
            return new PrecisionGraph(graph, forwardNodes, []);
        var operands = new HashSet<Value>();
        var narrowed = new Dictionary<Value, Value>();
        var nodes = new List<Node>();
        var producers = new Dictionary<Value, Node>();
        var forward = forwardNodes;
        var nextId = graph.Inputs.Concat(graph.Parameters).Concat(graph.Nodes.SelectMany(n => n.Outputs)).Max(v => v.Id) + 1;
        var given = round.In is { } input ? NewNarrow(input) : null;
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            var node = graph.Nodes[i];
            var inputs = node.Inputs.ToList();
            for (var at = 0; at < inputs.Count; at++)
            {
                var value = inputs[at];
                if (value.Parameter is not null || table.Takes(node, at) is not { } wanted || wanted == PrecisionOf(value))
                    continue;
                if (wanted == Precision.Word)
                    throw new GraphException($"{node} wants {value.Name} in float32, and it is kept as an operand.");
                inputs[at] = narrowed.TryGetValue(value, out var there) ? there : Insert(value, isForward: i < forwardNodes);
            }

            Append(inputs.SequenceEqual(node.Inputs) ? node : new Node(node.Op, inputs, node.Outputs), nodes.Count);
            for (var output = 0; output < node.Outputs.Count; output++)
                if (!reported.Contains(node.Outputs[output]) && table.Leaves(node, output, inputs.Select(PrecisionOf).ToList()) == Precision.Operand)
                    operands.Add(node.Outputs[output]);
        }

        var wantedToo = round.Out is { } result ? Insert(result, isForward: false) : null;
        IReadOnlyList<Value> from = given is null ? graph.Inputs : [.. graph.Inputs, given];
        return new PrecisionGraph(new TensorGraph(from, graph.Parameters, nodes), forward, operands, new GradientRounding(given, wantedToo));

        Precision PrecisionOf(Value value) => operands.Contains(value) ? Precision.Operand : Precision.Word;

        Value NewNarrow(Value value)
        {
            var result = new Value(nextId++, value.Name + Ending, value.Type);
            operands.Add(result);
            return narrowed[value] = result;
        }

        Value Insert(Value value, bool isForward)
        {
            var at = producers.TryGetValue(value, out var producer) && nodes.IndexOf(producer) is var place && (isForward || place >= forward)
                ? place + 1
                : isForward ? 0 : Math.Max(nodes.Count, forward);
            var result = NewNarrow(value);
            Append(new Node(new Narrow(), [value], [result]), at);
            if (isForward)
                forward++;
            return result;
        }

        void Append(Node node, int at)
        {
            nodes.Insert(at, node);
            foreach (var output in node.Outputs)
                producers[output] = node;
        }
    }

    /// <summary>True when a node of the graph reads <paramref name="value"/> as an operand.</summary>
    public static bool IsOperandOf(TensorGraph graph, IPrecisionTable? table, Value value) =>
        table is not null && graph.Nodes.Any(n => n.Inputs.Where((input, i) => input == value && table.Takes(n, i) == Precision.Operand).Any());
}

/// <summary>Where the gradient of the residual stream comes with its rounding beside it, and where it goes so: values, or nulls where it does not.</summary>
/// <param name="In">The gradient of the outgoing stream.</param>
/// <param name="Out">The gradient of the incoming stream.</param>
public readonly record struct GradientRounding(Value? In, Value? Out);
