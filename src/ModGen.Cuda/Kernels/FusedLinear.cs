namespace ModGen.Cuda;

/// <summary>
/// A product of a linear layer with what is done to its result element by element: one kernel where Hopper's own instructions
/// are used, and elsewhere the product and the rest, a launch each, over the same buffers.
/// </summary>
/// <param name="Name">Name of both together.</param>
/// <param name="Product">The product.</param>
/// <param name="Rest">What follows it, eight elements a thread.</param>
/// <param name="Width">Elements of a row that <paramref name="Rest"/> runs over.</param>
public sealed record FusedLinear(string Name, LinearKernel Product, Kernel Rest, int Width)
{
    // Results that wait in shared memory take the place of a stage.
    private const int Stages = 4, OverlappedStages = 3;
    private const int Swizzle = 128, OperandBytes = 2;

    /// <summary>Both in one.</summary>
    public required Kernel Hopper { get; init; }

    /// <summary>Whether what is done to results runs beside the next tile's product (linear_overlapped_sm90).</summary>
    public bool Overlapped { get; init; }

    /// <summary>Whether its tile takes half of its columns from either half of the weights.</summary>
    public bool Split { get; init; }

    /// <summary>The forms beyond those of the product and the rest.</summary>
    public IEnumerable<Kernel> Forms => [Hopper];

    /// <summary>The fused kernel with its grid; null where the product and the rest are two launches.</summary>
    public ChosenLinear? Choose(CudaContext context, RowCount rows)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (Product.Choose(context, rows).Hopper is null)
            return null;
        var n = Product.Pass == LinearPass.Forward ? Product.Outputs : Product.Inputs;
        var tile = LinearTiles.Widest(rows.Most, n, Overlapped ? OverlappedStages : Stages, context.Processors);
        var kernel = Hopper with { Threads = tile.Threads, Cluster = tile.Cluster, SharedBytes = Overlapped ? tile.OverlappedSharedBytes : tile.SharedBytes(staged: true) };
        return new ChosenLinear(kernel, tile.Blocks(context.Processors), tile.Define, Hopper: tile);
    }

    /// <summary>A and B as the fused kernel takes them.</summary>
    public (Argument A, Argument B) Map(CudaContext context, HopperTile tile, DevicePointer a, DevicePointer b, int rows)
    {
        var forward = Product.Pass == LinearPass.Forward;
        var box = Split ? (HopperTile.BoxC.Columns, tile.Columns / 2) : tile.BoxB(mnMajor: !forward);
        return (
            Map(context, a, rows, forward ? Product.Inputs : Product.Outputs, tile.BoxA(mnMajor: false)),
            Map(context, b, Product.Outputs, Product.Inputs, box));
    }

    /// <summary>A result of operands, (rows, width).</summary>
    public static Argument MapResult(CudaContext context, DevicePointer result, int rows, int width) => Map(context, result, rows, width, HopperTile.BoxC);

    private static TensorMap Map(CudaContext context, DevicePointer matrix, int rows, int width, (int Columns, int Rows) box) =>
        TensorMap.Create(context, matrix, OperandBytes, [width, rows], [(long)OperandBytes * width], [box.Columns, box.Rows], Swizzle);
}
