namespace ModGen.Compiler.Planning;

/// <summary>Which memory holds a value.</summary>
public enum StorageKind
{
    /// <summary>Given by the caller: tokens, targets, positions, logits.</summary>
    External,

    /// <summary>The parameter arena; the offset counts from the section's first parameter.</summary>
    Parameter,

    /// <summary>The gradient arena, added to; the offset is the parameter's.</summary>
    ParameterGradient,

    /// <summary>The residual stream before the section, and behind a section that updates it in place.</summary>
    StreamIn,

    /// <summary>The residual stream behind the section.</summary>
    StreamOut,

    /// <summary>The gradient of the residual stream, one buffer that every section updates; as operands, its rounding, another one.</summary>
    StreamGradient,

    /// <summary>Kept from the forward to the backward pass, one place a layer.</summary>
    Saved,

    /// <summary>Alive within one pass of one section; shared by all.</summary>
    Scratch,

    /// <summary>A scalar: a number on the host.</summary>
    Scalar,
}

/// <summary>Where a value lies. Offsets and lengths are in elements of one unit of batch.</summary>
/// <param name="Kind">Which memory.</param>
/// <param name="Offset">First element.</param>
/// <param name="Length">Elements.</param>
/// <param name="Precision">Which of the two arenas of that memory.</param>
public sealed record Storage(StorageKind Kind, long Offset, long Length, Precision Precision = Precision.Word)
{
    /// <summary>Offsets are multiples of this, so that rows of vectors start on cache lines.</summary>
    public const long Alignment = 16;

    /// <summary>The next aligned offset.</summary>
    public static long Align(long offset) => (offset + Alignment - 1) / Alignment * Alignment;
}
