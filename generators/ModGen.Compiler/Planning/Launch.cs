using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;

namespace ModGen.Compiler.Planning;

/// <summary>What a kernel does to an operand.</summary>
public enum Access
{
    /// <summary>Reads it.</summary>
    Read,

    /// <summary>Writes all of it.</summary>
    Write,
}

/// <summary>One operand of a kernel.</summary>
/// <param name="Role">Its name in the kernel's signature.</param>
/// <param name="Value">The value.</param>
/// <param name="Access">Read or written.</param>
/// <param name="InPlaceOf">A read operand whose memory this written one may take, or null.</param>
/// <param name="MustBeInPlace">True when the kernel has no other form.</param>
/// <param name="Provided">True when the kernel brings the memory of this result itself.</param>
public sealed record Operand(
    string Role, Value Value, Access Access, Value? InPlaceOf = null, bool MustBeInPlace = false, bool Provided = false)
{
    public static Operand Read(string role, Value value) => new(role, value, Access.Read);

    public static Operand Write(string role, Value value, Value? inPlaceOf = null) => new(role, value, Access.Write, inPlaceOf);

    /// <summary>A result in memory of the kernel's own.</summary>
    public static Operand Provide(string role, Value value) => new(role, value, Access.Write, Provided: true);

    /// <summary>A result that a kernel writes over <paramref name="over"/>.</summary>
    public static Operand Overwrite(string role, Value value, Value over) => new(role, value, Access.Write, over, MustBeInPlace: true);
}

/// <summary>One kernel with its operands, standing for the nodes it was fused from.</summary>
/// <param name="Kernel">Name of the kernel in its back end's table.</param>
/// <param name="Nodes">The nodes that it computes, in graph order.</param>
/// <param name="Operands">In the kernel's order.</param>
public sealed record Launch(string Kernel, IReadOnlyList<Node> Nodes, IReadOnlyList<Operand> Operands)
{
    /// <summary>The operand called <paramref name="role"/>.</summary>
    public Value this[string role] => Find(role) ?? throw new GraphException($"Kernel {Kernel} has no operand {role}.");

    public IEnumerable<Value> Reads => Operands.Where(o => o.Access == Access.Read).Select(o => o.Value);

    public IEnumerable<Value> Writes => Operands.Where(o => o.Access == Access.Write).Select(o => o.Value);

    /// <summary>The operand called <paramref name="role"/>, or null.</summary>
    public Value? Find(string role) => Operands.FirstOrDefault(o => o.Role == role)?.Value;

    /// <summary>The op of type <typeparamref name="T"/> among the fused nodes, for its constants.</summary>
    public T Op<T>() where T : Op => Nodes.Select(n => n.Op).OfType<T>().First();

    /// <summary>The op of type <typeparamref name="T"/> among the fused nodes, or null.</summary>
    public T? FindOp<T>() where T : Op => Nodes.Select(n => n.Op).OfType<T>().FirstOrDefault();

    /// <inheritdoc/>
    public override string ToString() => $"{Kernel}({string.Join(", ", Operands.Select(o => o.Value.Name))})";
}
