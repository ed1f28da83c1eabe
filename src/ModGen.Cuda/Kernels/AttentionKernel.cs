namespace ModGen.Cuda;

/// <summary>
/// Causal attention over whole sequences, forward and backward, in the forms that it was written in. Queries, keys and values
/// of a row stand together: (batch, Length, (Heads + 2 KeyValueHeads) · Width). Plain and portable forms take pointers; those
/// for Hopper take tensor maps, and their backward pass needs no kernel of its own for the inner products.
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

    /// <summary>The forward pass with wgmma: (qkv, o, lse, batch), the first two as maps; null for heads that are not 64 or 128 wide.</summary>
    public Kernel? HopperForward { get; init; }

    /// <summary>Gradient of the queries with wgmma: (qkv, d_o, d_qkv, o, d_o, lse, rows, positions, rotary, batch), the first three as maps. It leaves rows. With a rotary table the gradient is that before rotary.</summary>
    public Kernel? HopperQueries { get; init; }

    /// <summary>Gradient of keys and values with wgmma: (qkv, d_o, d_qkv, rows, positions, rotary, batch), the first three as maps.</summary>
    public Kernel? HopperKeys { get; init; }

    /// <summary>The whole gradient with wgmma in one kernel: (qkv, d_o, d_qkv, o, lse, rows, sums, positions, rotary, batch), the first three as maps; null for heads that are not 64 wide.</summary>
    public Kernel? HopperGradient { get; init; }

    /// <summary>The forms that there are.</summary>
    public IEnumerable<Kernel> Forms => new[]
    {
        Forward, Rows, Queries, Keys, PortableForward, PortableQueries, PortableKeys, HopperForward, HopperQueries, HopperKeys, HopperGradient,
    }.OfType<Kernel>();

    /// <summary>Operations of one of the products that attention is made of, the causal half: 2 forward, 3 and 4 in the halves of the backward pass.</summary>
    public double ProductFlops(int batch) => (double)batch * Heads * Width * Length * Length;

    /// <summary>True where the Hopper forms run.</summary>
    public bool IsMapped(CudaContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return HopperForward is not null && HopperFamily.Suits(context);
    }

    /// <summary>The kernel of the forward pass: (qkv, o, lse, batch).</summary>
    public ChosenKernel ChooseForward(CudaContext context, int batch) => IsMapped(context)
        ? Mapped(context, HopperForward!, AttentionTiles.Forward(Width, Length), Heads, batch)
        : Choose(context, batch, Heads, PortableForward, 640 * (Width + 8), Forward, 128 * (2 * Width + 1));

    /// <summary>The kernel of the inner products: (o, d_o, dots, batch).</summary>
    public ChosenKernel ChooseRows(int batch) => new(Rows, Tiles(checked(batch * Length * Heads), PlainTile), null);

    /// <summary>The kernel of the queries' gradient: (qkv, d_o, lse, dots, d_qkv, batch), or as <see cref="HopperQueries"/> says.</summary>
    public ChosenKernel ChooseQueries(CudaContext context, int batch) => IsMapped(context)
        ? Mapped(context, HopperQueries!, AttentionTiles.Queries(Width), Heads, batch)
        : Choose(context, batch, Heads, PortableQueries, PortableBackwardBytes, Queries, 128 * (3 * Width + 1));

    /// <summary>The kernel of the keys' and values' gradient: (qkv, d_o, lse, dots, d_qkv, batch), or as <see cref="HopperKeys"/> says.</summary>
    public ChosenKernel ChooseKeys(CudaContext context, int batch) => IsMapped(context)
        ? Mapped(context, HopperKeys!, AttentionTiles.Keys(Width, Length), KeyValueHeads, batch)
        : Choose(context, batch, KeyValueHeads, PortableKeys, PortableBackwardBytes, Keys, 128 * (3 * Width + 1));

    /// <summary>
    /// The kernel of the whole gradient, and its scratch: (qkv, d_o, d_qkv, o, lse, rows, sums, positions, rotary, batch). Null where
    /// there is none or the two kernels are faster: sequences that are long, or so few that blocks, which take whole ones, would idle.
    /// </summary>
    public ChosenGradient? ChooseGradient(CudaContext context, int batch)
    {
        var pairs = checked(batch * KeyValueHeads);
        if (!IsMapped(context) || HopperGradient is null || !AttentionTiles.IsJoint(Length, pairs, context.Processors))
            return null;
        var blocks = Math.Min(context.Processors, pairs);
        var rows = checked((long)blocks * (Heads / KeyValueHeads) * Tiles(Length, AttentionTile.Box) * AttentionTile.Box);
        return new ChosenGradient(
            new ChosenKernel(HopperGradient with { Threads = AttentionTiles.JointThreads, SharedBytes = AttentionTiles.JointSharedBytes }, blocks, null),
            RowBytes: 2 * sizeof(float) * rows, SumBytes: sizeof(float) * rows * Width);
    }

    /// <summary>Bytes that the Hopper kernel of the queries leaves for that of keys and values.</summary>
    public long RowBytes(int batch) => sizeof(float) * 2L * batch * Heads * Tiles(Length, AttentionTile.Box) * AttentionTile.Box;

    /// <summary>A map of (batch, Length, columns) operands.</summary>
    /// <param name="context">The device.</param>
    /// <param name="matrix">The first element.</param>
    /// <param name="packed">True for queries, keys and values together, false for an output.</param>
    /// <param name="batch">Sequences.</param>
    public TensorMap Map(CudaContext context, DevicePointer matrix, bool packed, int batch)
    {
        const int OperandBytes = 2;
        var columns = (packed ? Heads + 2 * KeyValueHeads : Heads) * (long)Width;
        return TensorMap.Create(
            context, matrix, OperandBytes, [columns, Length, batch], [OperandBytes * columns, OperandBytes * columns * Length], [AttentionTile.Box, AttentionTile.Box, 1], swizzle: 128);
    }

    private int PortableBackwardBytes => (Width == 128 ? 512 : 768) * (Width + 8);

    private ChosenKernel Choose(CudaContext context, int batch, int heads, Kernel? portable, int portableBytes, Kernel plain, int plainBytes)
    {
        ArgumentNullException.ThrowIfNull(context);
        return portable is null || context.Float32
            ? new ChosenKernel(plain with { SharedBytes = plainBytes }, checked(Tiles(Length, PlainTile) * heads * batch), null)
            : new ChosenKernel(portable with { SharedBytes = portableBytes }, checked(Tiles(Length, PortableTile) * heads * batch), null);
    }

    private ChosenKernel Mapped(CudaContext context, Kernel kernel, AttentionTile tile, int heads, int batch) =>
        new(kernel with { Threads = tile.Threads, SharedBytes = tile.SharedBytes(Width) }, tile.Blocks(heads, Length, batch, context.Processors), null);

    private static int Tiles(int count, int size) => (count + size - 1) / size;
}

/// <summary>The kernel of attention's whole gradient for one launch.</summary>
/// <param name="Chosen">The kernel and its blocks.</param>
/// <param name="RowBytes">Scratch for what is known of each query row.</param>
/// <param name="SumBytes">Scratch for the sums of the queries' gradient.</param>
public readonly record struct ChosenGradient(ChosenKernel Chosen, long RowBytes, long SumBytes);
