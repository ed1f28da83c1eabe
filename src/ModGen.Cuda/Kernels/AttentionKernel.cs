namespace ModGen.Cuda;

/// <summary>
/// Causal attention over whole sequences, forward and backward, in the forms that it was written in. Queries, keys and values
/// of a row stand together: (batch, Length, (Heads + 2 KeyValueHeads) · Width).
/// </summary>
/// <param name="Name">Name of the operation.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key/value heads.</param>
/// <param name="Width">Width of a head.</param>
/// <param name="Length">Positions of a sequence.</param>
public sealed record AttentionKernel(string Name, int Heads, int KeyValueHeads, int Width, int Length)
{
    private const int PlainTile = 32, PortableTile = 64;

    /// <summary>Output and log-sum-exp, for any size and precision.</summary>
    public required Kernel Forward { get; init; }

    /// <summary>The inner products of output and gradient that both halves of the backward pass need.</summary>
    public required Kernel Rows { get; init; }

    /// <summary>Gradient of the queries, for any size and precision.</summary>
    public required Kernel Queries { get; init; }

    /// <summary>Gradient of keys and values, for any size and precision.</summary>
    public required Kernel Keys { get; init; }

    /// <summary>The forward pass with mma.sync in bfloat16; null where the head's width is no multiple of its step.</summary>
    public Kernel? PortableForward { get; init; }

    /// <summary>Gradient of the queries with mma.sync.</summary>
    public Kernel? PortableQueries { get; init; }

    /// <summary>Gradient of keys and values with mma.sync.</summary>
    public Kernel? PortableKeys { get; init; }

    /// <summary>The forms that there are.</summary>
    public IEnumerable<Kernel> Forms => new[] { Forward, Rows, Queries, Keys, PortableForward, PortableQueries, PortableKeys }.OfType<Kernel>();

    /// <summary>The kernel of the forward pass: (qkv, o, lse, batch).</summary>
    public ChosenKernel ChooseForward(CudaContext context, int batch) => Choose(
        context, batch, Heads, PortableForward, 640 * (Width + 8), Forward, 128 * (2 * Width + 1));

    /// <summary>The kernel of the inner products: (o, d_o, dots, batch).</summary>
    public ChosenKernel ChooseRows(int batch) => new(Rows, Tiles(checked(batch * Length * Heads), PlainTile), null);

    /// <summary>The kernel of the queries' gradient: (qkv, d_o, lse, dots, d_qkv, batch).</summary>
    public ChosenKernel ChooseQueries(CudaContext context, int batch) => Choose(
        context, batch, Heads, PortableQueries, PortableBackwardBytes, Queries, 128 * (3 * Width + 1));

    /// <summary>The kernel of the keys' and values' gradient: (qkv, d_o, lse, dots, d_qkv, batch).</summary>
    public ChosenKernel ChooseKeys(CudaContext context, int batch) => Choose(
        context, batch, KeyValueHeads, PortableKeys, PortableBackwardBytes, Keys, 128 * (3 * Width + 1));

    private int PortableBackwardBytes => (Width == 128 ? 512 : 768) * (Width + 8);

    private ChosenKernel Choose(CudaContext context, int batch, int heads, Kernel? portable, int portableBytes, Kernel plain, int plainBytes)
    {
        ArgumentNullException.ThrowIfNull(context);
        return portable is null || context.Float32
            ? new ChosenKernel(plain with { SharedBytes = plainBytes }, checked(Tiles(Length, PlainTile) * heads * batch), null)
            : new ChosenKernel(portable with { SharedBytes = portableBytes }, checked(Tiles(Length, PortableTile) * heads * batch), null);
    }

    private static int Tiles(int count, int size) => (count + size - 1) / size;
}
