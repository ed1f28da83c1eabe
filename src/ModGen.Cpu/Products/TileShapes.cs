namespace ModGen.Cpu;

/// <summary>How a tile reads its left operand: so many rows, element (row, step) at row·RowStride + step·StepStride.</summary>
internal interface ITileShape
{
    /// <summary>4, 6, 8 or 12.</summary>
    static abstract int Rows { get; }

    static abstract int RowStride { get; }

    static abstract int StepStride { get; }
}

/// <summary>A packed sliver of 12 rows: with 24 accumulators the tile of a machine with 32 registers.</summary>
internal readonly struct Packed12 : ITileShape
{
    public static int Rows => 12;

    public static int RowStride => 1;

    public static int StepStride => 12;
}

/// <summary>A packed sliver of 8 rows, for row counts that 12 does not divide well (a head of 64).</summary>
internal readonly struct Packed8 : ITileShape
{
    public static int Rows => 8;

    public static int RowStride => 1;

    public static int StepStride => 8;
}

/// <summary>A packed sliver of 6 rows: with 12 accumulators the tile of a machine with 16 registers.</summary>
internal readonly struct Packed6 : ITileShape
{
    public static int Rows => 6;

    public static int RowStride => 1;

    public static int StepStride => 6;
}

/// <summary>A packed sliver of 4 rows.</summary>
internal readonly struct Packed4 : ITileShape
{
    public static int Rows => 4;

    public static int RowStride => 1;

    public static int StepStride => 4;
}

/// <summary>12 rows of what another tile wrote: row-major, two vectors wide.</summary>
internal readonly struct Written12<V> : ITileShape
    where V : struct, ILanes<V>
{
    public static int Rows => 12;

    public static int RowStride => 2 * V.Count;

    public static int StepStride => 1;
}

/// <summary>6 rows of what another tile wrote.</summary>
internal readonly struct Written6<V> : ITileShape
    where V : struct, ILanes<V>
{
    public static int Rows => 6;

    public static int RowStride => 2 * V.Count;

    public static int StepStride => 1;
}
