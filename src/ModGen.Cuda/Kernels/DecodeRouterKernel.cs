namespace ModGen.Cuda;

/// <summary>Which rows of a decode step in bfloat16 enter a routed layer: a kernel that chooses, or for one row one that is the layer as well.</summary>
/// <param name="Name">Name of the choice.</param>
public sealed record DecodeRouterKernel(string Name)
{
    // Blocks that a head's keys are split over at most; what stands in front of the text of the persistent kernel.
    private const int Splits = 8;

    /// <summary>(x, weight, logits or null, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, gates, rows).</summary>
    public required Kernel Route { get; init; }

    /// <summary>The choice and the layer for one row, by blocks that wait for one another; null where a size is none for it.</summary>
    public Kernel? Persistent { get; init; }

    /// <summary>The kernels that there are.</summary>
    public IEnumerable<Kernel> Forms => new[] { Route, Persistent }.OfType<Kernel>();

    /// <summary>The persistent kernel with its grid, a block a multiprocessor; null where there is none for so many rows.</summary>
    public ChosenKernel? ChoosePersistent(CudaContext context, RowCount rows)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Persistent is null || rows.Most > 1 ? null : new ChosenKernel(Persistent, context.Processors, Define(context.Processors));
    }

    /// <summary>Bytes of the partial softmaxes of the persistent kernel.</summary>
    public static long PartialBytes(DecodeLayerKernel layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return sizeof(float) * (long)layer.Heads * Splits * (layer.HeadWidth + 2);
    }

    /// <summary>What stands in front of the text of the persistent kernel.</summary>
    internal static string Define(int blocks) => $"#define DECODE_BLOCKS {blocks}\n";
}
