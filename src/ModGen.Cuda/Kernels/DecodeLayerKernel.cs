namespace ModGen.Cuda;

/// <summary>
/// A layer for a decode step in bfloat16: a few rows, counted on the device, through products that have norm, rotary, cache,
/// SwiGLU and residual inside. docs/kernels/emit.md lists the arguments of each kernel.
/// </summary>
/// <param name="Name">Name of the layer's shape.</param>
/// <param name="Width">Width of the stream.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key/value heads.</param>
/// <param name="HeadWidth">Width of a head.</param>
/// <param name="FeedForward">Width of the MLP.</param>
public sealed record DecodeLayerKernel(string Name, int Width, int Heads, int KeyValueHeads, int HeadWidth, int FeedForward)
{
    /// <summary>The most rows of a call that goes this way.</summary>
    public const int MostRows = 32;

    /// <summary>Blocks that a row's keys are split over, as the texts say.</summary>
    public const int Splits = CachedAttentionKernel.Splits;

    // Beyond so many rows the norm is a kernel of its own.
    private const int NormedRows = 8;

    /// <summary>Norm, queries, keys and values, rotary, cache.</summary>
    public required Kernel Qkv { get; init; }

    /// <summary>Attention, the keys of a row split over a cluster.</summary>
    public required Kernel Attention { get; init; }

    /// <summary>How many entries each row sees, for the attention without clusters.</summary>
    public required Kernel Place { get; init; }

    /// <summary>Attention over a part of the keys.</summary>
    public required Kernel Split { get; init; }

    /// <summary>Combines the parts.</summary>
    public required Kernel Combine { get; init; }

    /// <summary>The attention's output projection onto the stream; advances the cache's lengths.</summary>
    public required Kernel Output { get; init; }

    /// <summary>Norm, gate and up projections, SwiGLU.</summary>
    public required Kernel GateUp { get; init; }

    /// <summary>The down projection onto the stream.</summary>
    public required Kernel Down { get; init; }

    /// <summary>The norm of compact rows, where it is apart.</summary>
    public required Kernel Norm { get; init; }

    /// <summary>The norm of the rows that entered; null in a layer that all rows enter.</summary>
    public Kernel? GatheredNorm { get; init; }

    /// <summary>The kernels that there are.</summary>
    public IEnumerable<Kernel> Forms => new[] { Qkv, Attention, Place, Split, Combine, Output, GateUp, Down, Norm, GatheredNorm }.OfType<Kernel>();

    /// <summary>True where a call of so many rows had better go this way.</summary>
    public static bool Suits(CudaContext context, RowCount rows)
    {
        ArgumentNullException.ThrowIfNull(context);
        return !context.Float32 && rows.Most <= MostRows;
    }

    /// <summary>Whether the norms are kernels of their own.</summary>
    public static bool NormsApart(RowCount rows) => rows.Most > NormedRows;

    /// <summary>Whether attention is one kernel over clusters; else places, parts and their combination.</summary>
    public static bool IsClustered(CudaContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return HopperFamily.HasClusters(context);
    }

    /// <summary>What stands in front of the texts of products: the rows that they are made for.</summary>
    public static string Define(RowCount rows) => $"#define DECODE_ROWS {Rows(rows)}\n";

    /// <summary>What stands in front of a text for one number of rows, so that it can be read and compiled apart; null where nothing does.</summary>
    public static string? ExampleDefine(Kernel form)
    {
        ArgumentNullException.ThrowIfNull(form);
        return form.Text.Contains("DECODE_ROWS", StringComparison.Ordinal) ? Define(new RowCount(1)) : null;
    }

    /// <summary>The kernel of queries, keys and values with its grid.</summary>
    public ChosenKernel ChooseQkv(RowCount rows) => Product(Qkv, Width, (Heads + 2 * KeyValueHeads) * HeadWidth / 2, rows);

    /// <summary>The kernel of attention over clusters with its grid.</summary>
    public ChosenKernel ChooseAttention(RowCount rows) => new(Attention with { Cluster = Splits }, checked(rows.Most * BlocksOfRow * Splits), null);

    /// <summary>The kernel of attention over parts with its grid.</summary>
    public ChosenKernel ChooseSplit(RowCount rows) => new(Split, checked(rows.Most * BlocksOfRow * Splits), null);

    /// <summary>The kernel that combines the parts with its grid.</summary>
    public ChosenKernel ChooseCombine(RowCount rows) => new(Combine, Ceiling(checked(rows.Most * Heads), 8), null);

    /// <summary>The kernel of the output projection with its grid.</summary>
    public ChosenKernel ChooseOutput(RowCount rows) => Product(Output, Heads * HeadWidth, Ceiling(Width, 2), rows);

    /// <summary>The kernel of gate and up projections with its grid.</summary>
    public ChosenKernel ChooseGateUp(RowCount rows) => Product(GateUp, Width, FeedForward, rows);

    /// <summary>The kernel of the down projection with its grid.</summary>
    public ChosenKernel ChooseDown(RowCount rows) => Product(Down, FeedForward, Ceiling(Width, 2), rows);

    /// <summary>Bytes of the partial softmaxes of attention over parts.</summary>
    public long PartialBytes(RowCount rows) => sizeof(float) * (long)rows.Most * Heads * Splits * (HeadWidth + 2);

    // decode_threads and decode_blocks of the family.
    private static ChosenKernel Product(Kernel kernel, int columns, int pairs, RowCount rows)
    {
        if (Rows(rows) == 1 && columns % 256 == 0 && columns <= 4096)
            return new ChosenKernel(kernel with { Threads = 128 }, Ceiling(pairs, columns <= 1024 && pairs >= 1024 ? 8 : 4), Define(rows));
        return new ChosenKernel(kernel with { Threads = columns <= 1408 ? 128 : columns <= 2816 ? 256 : 512 }, Ceiling(pairs, 8), Define(rows));
    }

    private static int Rows(RowCount rows) => rows.Most == 1 ? 1 : Ceiling(rows.Most, 8) * 8;

    /// <summary>cached_attention_blocks of the family.</summary>
    private int BlocksOfRow => KeyValueHeads * Ceiling(Heads / KeyValueHeads, 4);

    private static int Ceiling(int count, int size) => (count + size - 1) / size;
}
