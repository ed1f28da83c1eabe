using System;
using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>What a kernel's text is written from: a launch, and the names that its values have in the method.</summary>
internal sealed class CpuCall(Launch launch, Func<Value, string> nameOf, Func<LeadingExtent, string> extentOf)
{
    public Launch Launch { get; } = launch;

    /// <summary>The name of the operand with this role.</summary>
    public string this[string role] => nameOf(Launch[role]);

    /// <summary>True when the launch has an operand with this role.</summary>
    public bool Has(string role) => Launch.Find(role) is not null;

    /// <summary>The constants of the fused op of this type.</summary>
    public T Op<T>() where T : Op => Launch.Op<T>();

    /// <summary>The type of the operand with this role.</summary>
    public TensorType Type(string role) => Launch[role].Type;

    /// <summary>The late-bound extent of the operand: <c>Batch</c>, <c>rows</c>.</summary>
    public string Leading(string role) => extentOf(Type(role).Leading);

    /// <summary>Rows of the operand, all extents but the last: <c>Batch * 256</c>.</summary>
    public string Rows(string role) => Times(Leading(role), Type(role).Extents.Count == 0 ? 1 : Type(role).Rows);

    /// <summary>The innermost extent.</summary>
    public string Width(string role) => Literal.Of(Type(role).Last);

    /// <summary>The (batch, length) of a tensor of scores or rows: training has sequences, inference one list of rows.</summary>
    public string BatchAndLength(string role) => BatchAndLength(Type(role), scores: false);

    /// <summary>As <see cref="BatchAndLength(string)"/>, for a tensor of one number a row.</summary>
    public string ScoresBatchAndLength(string role) => BatchAndLength(Type(role), scores: true);

    /// <summary>Entries that a selection has in each sequence: k, or the active rows.</summary>
    public string Count(string role) => Type(role).Extents.Count == 0 ? extentOf(LeadingExtent.Active) : Literal.Of(Type(role).Extents[0]);

    /// <summary>A call of a kernel with the workers and <paramref name="arguments"/>.</summary>
    public static string Kernel(string name, params string[] arguments) => $"Cpu::{name}(Workers, {string.Join(", ", arguments)})";

    /// <summary>A statement that calls a kernel.</summary>
    public static IEnumerable<string> Statement(string name, params string[] arguments) => [Kernel(name, arguments) + ";"];

    private string BatchAndLength(TensorType type, bool scores)
    {
        var hasSequences = type.Extents.Count >= (scores ? 1 : 2);
        return hasSequences ? $"{extentOf(type.Leading)}, {Literal.Of(type.Extents[0])}" : $"1, {extentOf(type.Leading)}";
    }

    private static string Times(string leading, long rows) => rows == 1 ? leading : $"{leading} * {Literal.Of(rows)}";
}
