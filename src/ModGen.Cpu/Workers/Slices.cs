namespace ModGen.Cpu;

/// <summary>Cuts rows into pieces by size alone, so that no result depends on the number of threads.</summary>
internal static class Slices
{
    private const int PieceFloats = 8192;

    /// <summary>Rows of one piece when pieces write apart from each other.</summary>
    public static int Rows(int rows, int width) => Math.Clamp(PieceFloats / Math.Max(1, width), 1, rows);

    /// <summary>Rows of one chunk when every chunk also makes a partial sum: at most 32 chunks.</summary>
    public static int SumRows(int rows) => Math.Max(16, Gemm.Ceiling(rows, 32));
}
