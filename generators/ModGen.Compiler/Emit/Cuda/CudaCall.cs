using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>What a launch's text is written from: its operands' names in the method, their shapes, and the catalog of entry points.</summary>
internal sealed class CudaCall(Launch launch, Func<Value, string> nameOf, SectionPlan section, KernelCatalog catalog, bool samples, Neighbour? neighbour = null)
{
    public Launch Launch { get; } = launch;

    public KernelCatalog Catalog { get; } = catalog;

    /// <summary>True in a sampling program, where rows are counted on the device; false in training, where sequences are whole.</summary>
    public bool Samples { get; } = samples;

    /// <summary>The section next to this one with which the launch has to do; null for most.</summary>
    public Neighbour? Neighbour { get; } = neighbour;

    /// <summary>The name of the operand with this role.</summary>
    public string this[string role] => nameOf(Launch[role]);

    public bool Has(string role) => Launch.Find(role) is not null;

    public T Op<T>() where T : Op => Launch.Op<T>();

    public TensorType Type(string role) => Launch[role].Type;

    /// <summary>The innermost extent.</summary>
    public int Width(string role) => Type(role).Last;

    /// <summary>Elements of a value's memory in C++: <c>float</c>, <c>element</c>.</summary>
    public string Element(string role) => section.Storage[Launch[role]].Precision == Precision.Operand ? "element" : "float";

    /// <summary>True when two operands are the same memory.</summary>
    public bool Same(string a, string b) => section.Storage[Launch[a]] == section.Storage[Launch[b]];

    /// <summary>Positions of a sequence that indices point into; 0 where they are plain rows.</summary>
    public int Length(string role) => Samples ? 0 : Type(role).Extents[0];

    /// <summary>Entries of a selection in each sequence; 0 where they are plain rows.</summary>
    public int Selected(string role) => Samples ? 0 : Type(role).Extents[0];

    /// <summary>The most rows of an operand, all extents but the last: <c>Batch * 2048</c>.</summary>
    /// <exception cref="InvalidOperationException">In training, the operand has one number a row: its last extent counts rows.</exception>
    public string Most(string role) =>
        Samples || Type(role).Extents.Count > 1 ? Most(Type(role), Type(role).Extents.Count == 0 ? 1 : Type(role).Rows)
        : throw new InvalidOperationException($"{role} of {Launch.Kernel} has one number a row; count its elements.");

    /// <summary>The most elements of an operand.</summary>
    public string MostElements(string role) => Most(Type(role), Type(role).Elements);

    /// <summary>The number of rows as the kernels take it.</summary>
    public string Rows(string role) => Samples ? Counted(role) : $"Rows({Most(role)})";

    /// <summary>The number of elements as the kernels take it, for operands of one number a row.</summary>
    public string Elements(string role) => Samples ? Counted(role) : $"Rows({MostElements(role)})";

    /// <summary>
    /// The statements of a launch that has another form where its neighbour is there, which is called <paramref name="name"/> then; it is
    /// declared here unless an earlier launch of the pass has done so.
    /// </summary>
    public IEnumerable<string> Either(string name, Func<string> there, Func<string> otherwise, bool declares = true)
    {
        if (Neighbour is null)
            return [otherwise()];
        List<string> statements = declares ? [$"var {name} = {Neighbour.Expression};"] : [];
        statements.AddRange(Neighbour.Always ? [there()] : [$"if ({name}.IsThere)", "    " + there(), "else", "    " + otherwise()]);
        return statements;
    }

    /// <summary>A launch of one warp a row.</summary>
    public IEnumerable<string> ByRow(CudaText text, string rowsOf, params string[] arguments) =>
        [Row(text, rowsOf, arguments)];

    /// <summary>The statement of a launch of one warp a row.</summary>
    public string Row(CudaText text, string rowsOf, params string[] arguments) => Statement(text, $"Blocks({Most(rowsOf)}, 8)", [.. arguments, Rows(rowsOf)]);

    /// <summary>A launch over all elements of an operand, eight a thread, with the rows of <paramref name="rowsOf"/> as its last argument.</summary>
    public IEnumerable<string> Flat(CudaText text, string rowsOf, long width, params string[] arguments)
    {
        var most = Samples ? $"{Most(rowsOf)} * {Literal.Of(width)}L" : $"Batch * {Literal.Of(Type(rowsOf).Rows * width)}L";
        return [Statement(text, $"Blocks({most}, 2048)", [.. arguments, Rows(rowsOf)])];
    }

    /// <summary>A launch over one number a row, eight a thread.</summary>
    public IEnumerable<string> FlatScalars(CudaText text, string rowsOf, params string[] arguments) =>
        [Statement(text, $"Blocks({MostElements(rowsOf)}, 2048)", [.. arguments, Elements(rowsOf)])];

    /// <summary>A launch of persistent blocks, each of which leaves a row of partial sums, and the launch that makes a gradient of those in their order, or adds them to it.</summary>
    public IEnumerable<string> WithColumnSums(CudaText text, string rowsOf, int width, string gradient, params string[] arguments) =>
        [ColumnSums(text, rowsOf, width, [gradient], arguments)];

    /// <summary>The same with a row of partial sums for each of some gradients.</summary>
    public string ColumnSums(CudaText text, string rowsOf, int width, string[] gradients, params string[] arguments) =>
        $"LaunchWithColumnSums({Catalog.Add(new SingleEntry(text))}, {Literal.Of(width)}, {string.Join(", ", gradients)}, {Rows(rowsOf)}, [{string.Join(", ", arguments)}]);";

    /// <summary>A launch over one number a row, one a thread.</summary>
    public IEnumerable<string> Scalars(CudaText text, string rowsOf, params string[] arguments) =>
        [Statement(text, $"Blocks({MostElements(rowsOf)}, 256)", [.. arguments, Elements(rowsOf)])];

    /// <summary>A launch of persistent blocks over one number a row, each of which leaves a partial sum, and the launch that stores their total.</summary>
    public IEnumerable<string> WithTotal(CudaText text, string rowsOf, string total, params string[] arguments) =>
        [$"LaunchWithTotal({Catalog.Add(new SingleEntry(text))}, {total}, {Elements(rowsOf)}, [{string.Join(", ", arguments)}]);"];

    /// <summary>A launch statement.</summary>
    public string Statement(CudaText text, string blocks, params string[] arguments) =>
        $"Launch({Catalog.Add(new SingleEntry(text))}, {blocks}, [{string.Join(", ", arguments)}]);";

    private string Counted(string role) => Type(role).Leading == LeadingExtent.Active ? "active" : "rows";

    private string Most(TensorType type, long rows) => Samples ? (type.Leading == LeadingExtent.Active ? "active.Most" : "rows.Most") : rows == 1 ? "Batch" : $"Batch * {Literal.Of(rows)}";
}
