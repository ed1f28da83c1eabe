namespace ModGen.Cuda;

/// <summary>What the fused products of a decode step have in common: which calls they suit, and their grids.</summary>
public static class DecodeProduct
{
    /// <summary>The most rows of a call that goes this way.</summary>
    public const int MostRows = 32;

    // Beyond so many rows the norm is a kernel of its own. Columns up to which a row goes by lanes, and four or eight warps take the rest.
    private const int NormedRows = 8, LaneColumns = 4096, FourWarps = 1408, EightWarps = 2816;

    /// <summary>True where a call of so many rows had better go this way.</summary>
    public static bool Suits(CudaContext context, RowCount rows)
    {
        ArgumentNullException.ThrowIfNull(context);
        return !context.Float32 && rows.Most <= MostRows;
    }

    /// <summary>Whether the norms are kernels of their own.</summary>
    public static bool NormsApart(RowCount rows) => rows.Most > NormedRows;

    /// <summary>What stands in front of the texts of products: the rows that they are made for.</summary>
    public static string Define(RowCount rows) => $"#define DECODE_ROWS {Rows(rows)}\n";

    /// <summary>What stands in front of a text for one number of rows, so that it can be read and compiled apart; null where nothing does.</summary>
    public static string? ExampleDefine(Kernel form)
    {
        ArgumentNullException.ThrowIfNull(form);
        return form.Text.Contains("DECODE_ROWS", StringComparison.Ordinal) ? Define(new RowCount(1))
            : form.Text.Contains("DECODE_SPLITS", StringComparison.Ordinal) ? "#define DECODE_SPLITS 8\n"
            : form.Text.Contains("DECODE_BLOCKS", StringComparison.Ordinal) ? DecodeRouterKernel.Define(132) : null;
    }

    /// <summary>A product with its grid: decode_threads and decode_blocks of the family.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="columns">Columns of the weights.</param>
    /// <param name="pairs">Pairs of outputs.</param>
    /// <param name="rows">Rows of the call.</param>
    internal static ChosenKernel Choose(Kernel kernel, int columns, int pairs, RowCount rows)
    {
        if (rows.Most == 1 && columns % 256 == 0 && columns <= LaneColumns)
            return new ChosenKernel(kernel with { Threads = 128 }, Ceiling(pairs, columns <= 1024 && pairs >= 1024 ? 8 : 4), Define(rows));
        return new ChosenKernel(kernel with { Threads = columns <= FourWarps ? 128 : columns <= EightWarps ? 256 : 512 }, Ceiling(pairs, 8), Define(rows));
    }

    private static int Rows(RowCount rows) => rows.Most == 1 ? 1 : Ceiling(rows.Most, 8) * 8;

    private static int Ceiling(int count, int size) => (count + size - 1) / size;
}
