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
/// the number of rows. All take (A, B, C, rows, …) as pointers.
/// </summary>
/// <param name="Name">Name of the product.</param>
/// <param name="Pass">Which product.</param>
/// <param name="Outputs">Outputs of the layer: rows of W.</param>
/// <param name="Inputs">Inputs of the layer: columns of W.</param>
public sealed record LinearKernel(string Name, LinearPass Pass, int Outputs, int Inputs)
{
    private const int PlainTile = 64, PortableRows = 128, PortableDepth = 64, PortableStages = 4, FewRows = 32;

    /// <summary>For any size and precision, on the ordinary arithmetic units.</summary>
    public required Kernel Plain { get; init; }

    /// <summary>With mma.sync in bfloat16; null where rows are not whole groups of 16 bytes.</summary>
    public Kernel? Portable { get; init; }

    /// <summary>For up to 32 rows that are counted on the device, reading the weights once; null where nobody counts.</summary>
    public Kernel? Few { get; init; }

    /// <summary>The forms that there are.</summary>
    public IEnumerable<Kernel> Forms => new[] { Plain, Portable, Few }.OfType<Kernel>();

    /// <summary>The form for a device and a number of rows, with its grid.</summary>
    public ChosenKernel Choose(CudaContext context, RowCount rows)
    {
        ArgumentNullException.ThrowIfNull(context);
        var (m, n) = Pass switch
        {
            LinearPass.Forward => (rows.Most, Outputs),
            LinearPass.InputGradient => (rows.Most, Inputs),
            _ => (Outputs, Inputs),
        };
        if (Few is not null && !rows.Counted.IsNull && rows.Most <= FewRows)
            return new ChosenKernel(Few, Tiles(Outputs, 16), null);
        if (Portable is null || context.Float32)
            return new ChosenKernel(Plain, Tiles(m, PlainTile) * Tiles(n, PlainTile), null);
        // Wide tiles reuse more of what they load; narrow ones give every multiprocessor something to do.
        var columns = n > 128 && Tiles(m, PortableRows) * Tiles(n, 256) >= context.Processors ? 256 : 128;
        var shared = PortableStages * (PortableRows + columns) * PortableDepth * 2;
        return new ChosenKernel(Portable with { SharedBytes = shared }, Tiles(m, PortableRows) * Tiles(n, columns), $"#define LINEAR_COLUMNS {columns}\n");
    }

    /// <summary>What stands in front of a form's source in one of its choices, so that it can be read and compiled apart; null where nothing does.</summary>
    public static string? ExampleDefine(Kernel form)
    {
        ArgumentNullException.ThrowIfNull(form);
        return form.Text.Contains("LINEAR_COLUMNS", StringComparison.Ordinal) ? "#define LINEAR_COLUMNS 128\n" : null;
    }

    private static int Tiles(int count, int size) => (count + size - 1) / size;
}

/// <summary>A form of an operation for one launch.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Blocks">Blocks of the grid.</param>
/// <param name="Define">Text in front of its source; null for none.</param>
public readonly record struct ChosenKernel(Kernel Kernel, int Blocks, string? Define);
