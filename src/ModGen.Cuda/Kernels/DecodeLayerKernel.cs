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
    /// <summary>Blocks that a row's keys are split over at most, and as the texts without clusters say.</summary>
    public const int Splits = CachedAttentionKernel.Splits;

    private const int FewUnits = 64, ManyUnits = 512;

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

    /// <summary>Whether attention is one kernel over clusters; else places, parts and their combination.</summary>
    public static bool IsClustered(CudaContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return HopperFamily.HasClusters(context);
    }

    /// <summary>The kernel of queries, keys and values with its grid.</summary>
    public ChosenKernel ChooseQkv(RowCount rows) => DecodeProduct.Choose(Qkv, Width, (Heads + 2 * KeyValueHeads) * HeadWidth / 2, rows);

    /// <summary>The kernel of attention over clusters with its grid. With more rows there is work for all without so many parts, and parts have to be combined.</summary>
    public ChosenKernel ChooseAttention(RowCount rows)
    {
        var units = checked(rows.Most * BlocksOfRow);
        // The cache of a routed layer is short.
        var splits = units < FewUnits && GatheredNorm is null ? Splits : units < ManyUnits ? Splits / 2 : Splits / 4;
        return new(Attention with { Cluster = splits }, checked(units * splits), $"#define DECODE_SPLITS {splits}\n");
    }

    /// <summary>The kernel of attention over parts with its grid.</summary>
    public ChosenKernel ChooseSplit(RowCount rows) => new(Split, checked(rows.Most * BlocksOfRow * Splits), null);

    /// <summary>The kernel that combines the parts with its grid.</summary>
    public ChosenKernel ChooseCombine(RowCount rows) => new(Combine, Ceiling(checked(rows.Most * Heads), 8), null);

    /// <summary>The kernel of the output projection with its grid.</summary>
    public ChosenKernel ChooseOutput(RowCount rows) => DecodeProduct.Choose(Output, Heads * HeadWidth, Ceiling(Width, 2), rows);

    /// <summary>The kernel of gate and up projections with its grid.</summary>
    public ChosenKernel ChooseGateUp(RowCount rows) => DecodeProduct.Choose(GateUp, Width, FeedForward, rows);

    /// <summary>The kernel of the down projection with its grid.</summary>
    public ChosenKernel ChooseDown(RowCount rows) => DecodeProduct.Choose(Down, FeedForward, Ceiling(Width, 2), rows);

    /// <summary>Bytes of the partial softmaxes of attention over parts.</summary>
    public long PartialBytes(RowCount rows) => sizeof(float) * (long)rows.Most * Heads * Splits * (HeadWidth + 2);

    /// <summary>cached_attention_blocks of the family.</summary>
    private int BlocksOfRow => KeyValueHeads * Ceiling(Heads / KeyValueHeads, 4);

    private static int Ceiling(int count, int size) => (count + size - 1) / size;
}
