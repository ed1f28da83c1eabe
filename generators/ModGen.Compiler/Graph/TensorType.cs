using System.Linq;

namespace ModGen.Compiler.Graph;

/// <summary>Type of one element.</summary>
public enum ElementType
{
    /// <summary>Activations, parameters, scores, losses.</summary>
    Float32,

    /// <summary>Token ids, positions, row indices.</summary>
    Int32,
}

/// <summary>The one extent of a tensor that is not a constant of the model.</summary>
public enum LeadingExtent
{
    /// <summary>None: parameters and scalars.</summary>
    None,

    /// <summary>The batch, in sequences (training) or rows (inference): bound when a program is created.</summary>
    Batch,

    /// <summary>Rows of an inference call that enter a routed block: at most the batch, known only as it runs.</summary>
    Active,
}

/// <summary>Element type and shape of a tensor: one late-bound leading extent, then constants.</summary>
public sealed record TensorType(ElementType Element, LeadingExtent Leading, EquatableArray<int> Extents)
{
    /// <summary>A scalar float32.</summary>
    public static TensorType Scalar { get; } = new(ElementType.Float32, LeadingExtent.None, default);

    /// <summary>A parameter of constant shape.</summary>
    public static TensorType Fixed(params int[] extents) => new(ElementType.Float32, LeadingExtent.None, EquatableArray.Of(extents));

    /// <summary>A float32 activation with a leading batch.</summary>
    public static TensorType Batched(params int[] extents) => new(ElementType.Float32, LeadingExtent.Batch, EquatableArray.Of(extents));

    /// <summary>32-bit integers with a leading batch.</summary>
    public static TensorType BatchedIntegers(params int[] extents) => new(ElementType.Int32, LeadingExtent.Batch, EquatableArray.Of(extents));

    /// <summary>True when the tensor grows with the batch.</summary>
    public bool GrowsWithBatch => Leading != LeadingExtent.None;

    /// <summary>Elements of one unit of the leading extent, or of the whole tensor when it has none.</summary>
    public long Elements => Extents.Aggregate(1L, (product, extent) => checked(product * extent));

    /// <summary>The innermost extent.</summary>
    public int Last => Extents[Extents.Count - 1];

    /// <summary>Rows of one unit of the leading extent: the product of all but the innermost extent.</summary>
    public long Rows => Elements / Last;

    /// <summary>The same tensor with another innermost extent.</summary>
    public TensorType WithLast(int extent) =>
        this with { Extents = Extents.Take(Extents.Count - 1).Append(extent).ToEquatableArray() };

    /// <summary>The same tensor without its innermost extent.</summary>
    public TensorType WithoutLast() => this with { Extents = Extents.Take(Extents.Count - 1).ToEquatableArray() };

    /// <summary>The shape as people write it: <c>(B, 256, 64)</c>.</summary>
    public override string ToString()
    {
        var leading = Leading switch { LeadingExtent.Batch => new[] { "B" }, LeadingExtent.Active => new[] { "A" }, _ => [] };
        var shape = leading.Concat(Extents.Select(e => e.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        return "(" + string.Join(", ", shape) + ")" + (Element == ElementType.Int32 ? " int" : "");
    }
}
