using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Graph;

/// <summary>One tensor of a graph, written once.</summary>
/// <param name="Id">Unique in its graph.</param>
/// <param name="Name">Unique in its graph; the name it has in emitted code.</param>
/// <param name="Type">Element type and shape.</param>
/// <param name="Parameter">The parameter that it is, or null for an input or a computed value.</param>
public sealed record Value(int Id, string Name, TensorType Type, ParameterSpec? Parameter = null)
{
    /// <inheritdoc/>
    public bool Equals(Value? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => Id;

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Type}";
}

/// <summary>One operation applied to values.</summary>
public sealed class Node(Op op, IReadOnlyList<Value> inputs, IReadOnlyList<Value> outputs)
{
    /// <summary>What is computed.</summary>
    public Op Op { get; } = op;

    /// <summary>What it reads, in the op's order.</summary>
    public IReadOnlyList<Value> Inputs { get; } = inputs;

    /// <summary>What it writes, in the op's order.</summary>
    public IReadOnlyList<Value> Outputs { get; } = outputs;

    /// <summary>The first output.</summary>
    public Value Output => Outputs[0];

    /// <inheritdoc/>
    public override string ToString() =>
        $"{string.Join(", ", Outputs)} = {Op.Name}({string.Join(", ", Inputs.Select(i => i.Name))})";
}

/// <summary>Tensor operations in an order in which they can run. Shapes are static but for the leading extent.</summary>
public sealed class TensorGraph(IReadOnlyList<Value> inputs, IReadOnlyList<Value> parameters, IReadOnlyList<Node> nodes)
{
    /// <summary>Values that come from outside.</summary>
    public IReadOnlyList<Value> Inputs { get; } = inputs;

    /// <summary>Values that are parameters.</summary>
    public IReadOnlyList<Value> Parameters { get; } = parameters;

    /// <summary>Operations, each after those that it reads from.</summary>
    public IReadOnlyList<Node> Nodes { get; } = nodes;

    /// <summary>The nodes that read <paramref name="value"/>.</summary>
    public IEnumerable<Node> Uses(Value value) => Nodes.Where(n => n.Inputs.Contains(value));

    /// <summary>Matrix FLOPs of one unit of batch; a multiply-add counts 2.</summary>
    public double Flops => Nodes.Sum(n => n.Op.Flops(n.Inputs.Select(i => i.Type).ToList()));
}

/// <summary>A graph that breaks its own rules: always a defect of the compiler, never of the user.</summary>
public sealed class GraphException(string message) : Exception(message);
