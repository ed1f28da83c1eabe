namespace ModGen.Cuda;

/// <summary>Which of the three products of a linear layer Y = X Wᵀ.</summary>
public enum LinearPass
{
    /// <summary>Y = X Wᵀ.</summary>
    Forward,

    /// <summary>dX = dY W.</summary>
    InputGradient,

    /// <summary>dW += dYᵀ X.</summary>
    WeightGradient,
}

/// <summary>
/// A product of a linear layer in the forms that it was written in: which one runs depends on the device, its precision and
/// the number of rows. All take (A, B, C, rows, …): the Hopper form A and B as tensor maps and the rows as an int, the others
/// pointers and a <see cref="RowCount"/>. Weight gradients take behind the rows whether they add to C or store it, an int, and
/// on tensor cores turns behind that; those of few outputs take partial sums in the place of C and nothing else.
/// </summary>
/// <param name="Name">Name of the product.</param>
/// <param name="Pass">Which product.</param>
/// <param name="Outputs">Outputs of the layer: rows of W.</param>
/// <param name="Inputs">Inputs of the layer: columns of W.</param>
public sealed record LinearKernel(string Name, LinearPass Pass, int Outputs, int Inputs)
{
    private const int PlainTile = 64, FewRows = 32, FewRowsOutputs = 16, Swizzle = 128, FewOutputsRows = 8, FewOutputsResident = 4;

    /// <summary>For any size and precision, on the ordinary arithmetic units.</summary>
    public required Kernel Plain { get; init; }

    /// <summary>Whether <see cref="Plain"/> is of the family for few outputs, which runs over the rows with any number of blocks. Its weight gradient leaves a row of partial sums a block.</summary>
    public bool FewOutputs { get; init; }

    /// <summary>With mma.sync in bfloat16; null where rows are not whole groups of 16 bytes.</summary>
    public Kernel? Portable { get; init; }

    /// <summary>With wgmma and the copy engine, where the rows are known at launch; null where rows are not whole groups of 16 bytes.</summary>
    public Kernel? Hopper { get; init; }

    /// <summary>For up to 32 rows that are counted on the device, reading the weights once; null where nobody counts.</summary>
    public Kernel? Few { get; init; }

    /// <summary>Whether the Hopper form takes C as a tensor map too: it is of operands, and stored as it is.</summary>
    public bool ResultMapped { get; init; }

    /// <summary>The forms that there are.</summary>
    public IEnumerable<Kernel> Forms => new[] { Plain, Portable, Hopper, Few }.OfType<Kernel>();

    /// <summary>The form for a device and a number of rows, with its grid.</summary>
    public ChosenLinear Choose(CudaContext context, RowCount rows)
    {
        ArgumentNullException.ThrowIfNull(context);
        var adds = Pass == LinearPass.WeightGradient;
        var (m, n, k) = Pass switch
        {
            LinearPass.Forward => (rows.Most, Outputs, Inputs),
            LinearPass.InputGradient => (rows.Most, Inputs, Outputs),
            _ => (Outputs, Inputs, rows.Most),
        };
        if (Few is not null && !rows.Counted.IsNull && rows.Most <= FewRows)
            return new ChosenLinear(Few, LinearTiles.Tiles(Outputs, FewRowsOutputs), null);
        if (FewOutputs)
            return new ChosenLinear(Plain, Math.Min(FewOutputsResident * context.Processors, LinearTiles.Tiles(rows.Most, FewOutputsRows)), null);
        if (Portable is null || context.Float32)
            return new ChosenLinear(Plain, LinearTiles.Tiles(m, PlainTile) * LinearTiles.Tiles(n, PlainTile), null);
        if (Hopper is not null && rows.Counted.IsNull && HopperFamily.Suits(context))
        {
            var tile = LinearTiles.Hopper(m, n, k, adds, context.Processors);
            var hopper = Hopper with { Threads = tile.Threads, Cluster = tile.Cluster, SharedBytes = tile.SharedBytes(ResultMapped) };
            return new ChosenLinear(hopper, tile.Blocks(context.Processors), tile.Define, adds ? tile.Turns(m, n) : 0, tile);
        }

        var portable = LinearTiles.Portable(m, n, k, adds, context.Processors, context.SharedBytesPerBlock);
        return new ChosenLinear(Portable with { Threads = portable.Threads, SharedBytes = portable.SharedBytes }, portable.Blocks(m, n, context.Processors), portable.Define, adds ? portable.Turns(m, n) : 0);
    }

    /// <summary>Operations of the product; 0 where only the device knows the rows.</summary>
    public double Flops(RowCount rows) => rows.Counted.IsNull ? 2.0 * rows.Most * Outputs * Inputs : 0;

    /// <summary>What stands in front of a form's source in one of its choices, so that it can be read and compiled apart; null where nothing does.</summary>
    public static string? ExampleDefine(Kernel form)
    {
        ArgumentNullException.ThrowIfNull(form);
        if (form.Text.Contains("LINEAR_CLUSTER", StringComparison.Ordinal))
            return new HopperTile(Columns: 256, Stages: 4, Cluster: 2, Consumers: 2, Slices: 1).Define;
        return form.Text.Contains("LINEAR_COLUMNS", StringComparison.Ordinal) ? new PortableTile(Columns: 256, Stages: 4, Slices: 1).Define : null;
    }

    /// <summary>A, B and C as the arguments of the Hopper form.</summary>
    /// <param name="context">The device.</param>
    /// <param name="tile">The tile that was chosen.</param>
    /// <param name="a">X, or dY of the gradients.</param>
    /// <param name="b">W, or X of the weight gradient.</param>
    /// <param name="result">C.</param>
    /// <param name="rows">Rows of the batch.</param>
    public (Argument A, Argument B, Argument Result) Map(CudaContext context, HopperTile tile, DevicePointer a, DevicePointer b, DevicePointer result, int rows)
    {
        var forward = Pass == LinearPass.Forward;
        var weight = Pass == LinearPass.WeightGradient;
        return (
            Of(a, rows, forward ? Inputs : Outputs, tile.BoxA(mnMajor: weight)),
            Of(b, weight ? rows : Outputs, Inputs, tile.BoxB(mnMajor: !forward)),
            ResultMapped ? Of(result, rows, forward ? Outputs : Inputs, HopperTile.BoxC) : result);

        Argument Of(DevicePointer matrix, int height, int width, (int Columns, int Rows) box) =>
            TensorMap.Create(context, matrix, 2, [width, height], [2L * width], [box.Columns, box.Rows], Swizzle);
    }
}

/// <summary>A form of a product for one launch.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Blocks">Blocks of the grid.</param>
/// <param name="Define">Text in front of its source; null for none.</param>
/// <param name="Turns">Words of turns that it takes, zero before and after the launch; 0 when it takes none.</param>
/// <param name="Hopper">The tile of the Hopper form; null for the other forms.</param>
public readonly record struct ChosenLinear(Kernel Kernel, int Blocks, string? Define, int Turns = 0, HopperTile? Hopper = null);

/// <summary>A form of an operation for one launch.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Blocks">Blocks of the grid.</param>
/// <param name="Define">Text in front of its source; null for none.</param>
public readonly record struct ChosenKernel(Kernel Kernel, int Blocks, string? Define);
