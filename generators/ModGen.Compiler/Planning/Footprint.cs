using System;

namespace ModGen.Compiler.Planning;

/// <summary>How a value lies in memory.</summary>
public enum Precision
{
    /// <summary>A 32-bit word an element: float32, or an integer.</summary>
    Word,

    /// <summary>An operand of matrix products: bfloat16 on a GPU, float32 in its float32 mode. The program knows which when it is created.</summary>
    Operand,
}

/// <summary>Elements of each precision: the two lie in arenas of their own, since only one changes its size with the device's mode.</summary>
public readonly record struct Footprint(long Words, long Operands)
{
    /// <summary>The elements of one precision.</summary>
    public long this[Precision precision] => precision == Precision.Word ? Words : Operands;

    /// <summary>Both together.</summary>
    public static Footprint operator +(Footprint a, Footprint b) => new(a.Words + b.Words, a.Operands + b.Operands);

    /// <summary>The larger of each precision.</summary>
    public static Footprint Max(Footprint a, Footprint b) => new(Math.Max(a.Words, b.Words), Math.Max(a.Operands, b.Operands));
}
