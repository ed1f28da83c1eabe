using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>Attention over whole sequences and over caches: which kernels a device runs for it, and with what between them.</summary>
internal static class AttentionLaunches
{
    /// <summary>Appends the forward pass of attention.</summary>
    public static void AttentionForward(this LaunchWriter writer, AttentionKernel kernel, DevicePointer qkv, DevicePointer o, DevicePointer lse, int batch)
    {
        var chosen = kernel.ChooseForward(writer.Context, batch);
        if (!kernel.IsMapped(writer.Context))
            writer.Launch(chosen.Kernel, chosen.Blocks, [qkv, o, lse, batch], flops: 2 * kernel.ProductFlops(batch));
        else if (!writer.IsMeasuring) // while measuring there is no memory that could be mapped
            writer.Launch(chosen.Kernel, chosen.Blocks, [kernel.Map(writer.Context, qkv, packed: true, batch), kernel.Map(writer.Context, o, packed: false, batch), lse, batch], flops: 2 * kernel.ProductFlops(batch));
    }

    /// <summary>
    /// Appends the backward pass of attention: one kernel, or the queries, then keys and values; before them the inner products of
    /// output and gradient, and after them the turning back by rotary's angles, where these are apart.
    /// </summary>
    public static void AttentionBackward(this LaunchWriter writer, AttentionKernel kernel, in AttentionGradient g, int batch)
    {
        if (kernel.ChooseGradient(writer.Context, batch) is { } whole)
            writer.WholeGradient(kernel, whole, g, batch);
        else if (kernel.IsMapped(writer.Context))
            writer.MappedGradients(kernel, g, batch);
        else
            writer.PlainGradients(kernel, g, batch);
        writer.Release();
    }

    private static void WholeGradient(this LaunchWriter writer, AttentionKernel kernel, in ChosenGradient whole, in AttentionGradient g, int batch)
    {
        DevicePointer rows = writer.Hold(whole.RowBytes), sums = writer.Hold(whole.SumBytes);
        if (writer.IsMeasuring)
            return;
        var (packed, mapped, packedGradient) = Maps(writer, kernel, g, batch);
        writer.Launch(
            whole.Chosen.Kernel, whole.Chosen.Blocks, [packed, mapped, packedGradient, g.Output, g.Lse, rows, sums, g.Positions, g.TurnTable, batch],
            flops: 5 * kernel.ProductFlops(batch));
    }

    private static void MappedGradients(this LaunchWriter writer, AttentionKernel kernel, in AttentionGradient g, int batch)
    {
        var rows = writer.Hold(kernel.RowBytes(batch));
        if (writer.IsMeasuring)
            return;
        var (queries, keys) = (kernel.ChooseQueries(writer.Context, batch), kernel.ChooseKeys(writer.Context, batch));
        var (packed, mapped, packedGradient) = Maps(writer, kernel, g, batch);
        writer.Launch(
            queries.Kernel, queries.Blocks, [packed, mapped, packedGradient, g.Output, g.OutputGradient, g.Lse, rows, g.Positions, g.TurnTable, batch],
            flops: 3 * kernel.ProductFlops(batch));
        writer.Launch(keys.Kernel, keys.Blocks, [packed, mapped, packedGradient, rows, g.Positions, g.TurnTable, batch], flops: 4 * kernel.ProductFlops(batch));
    }

    private static void PlainGradients(this LaunchWriter writer, AttentionKernel kernel, in AttentionGradient g, int batch)
    {
        var (products, queries, keys) = (kernel.ChooseRows(batch), kernel.ChooseQueries(writer.Context, batch), kernel.ChooseKeys(writer.Context, batch));
        var dots = writer.Hold(sizeof(float) * (long)batch * kernel.Heads * kernel.Length);
        writer.Launch(products.Kernel, products.Blocks, [g.Output, g.OutputGradient, dots, batch]);
        writer.Launch(queries.Kernel, queries.Blocks, [g.Qkv, g.OutputGradient, g.Lse, dots, g.QkvGradient, batch], flops: 3 * kernel.ProductFlops(batch));
        writer.Launch(keys.Kernel, keys.Blocks, [g.Qkv, g.OutputGradient, g.Lse, dots, g.QkvGradient, batch], flops: 4 * kernel.ProductFlops(batch));
        if (g.Turn is null)
            return;
        var rows = batch * kernel.Length;
        var blocks = CudaTrainingProgram.Blocks((long)rows * (kernel.Heads + kernel.KeyValueHeads) * kernel.Width / 2, OperationLaunches.ElementsABlock);
        writer.Launch(g.Turn, blocks, [g.QkvGradient, g.Positions, g.Table, new RowCount(rows)]);
    }

    private static (TensorMap Packed, TensorMap Mapped, TensorMap PackedGradient) Maps(LaunchWriter writer, AttentionKernel kernel, in AttentionGradient g, int batch) =>
        (kernel.Map(writer.Context, g.Qkv, packed: true, batch), kernel.Map(writer.Context, g.OutputGradient, packed: false, batch),
            kernel.Map(writer.Context, g.QkvGradient, packed: true, batch));

    /// <summary>Appends attention over caches in the form that suits the device and the number of rows.</summary>
    public static void CachedAttention(
        this LaunchWriter writer, CachedAttentionKernel kernel, DevicePointer qkv, DevicePointer sequences, DevicePointer visible, DevicePointer cache, DevicePointer o, RowCount rows, int held)
    {
        var chosen = kernel.Choose(writer.Context, rows, held);
        if (!kernel.IsSplit(rows))
        {
            writer.Launch(chosen.Kernel, chosen.Blocks, [qkv, sequences, visible, cache, o, rows]);
            return;
        }

        var partials = writer.Hold(kernel.PartialBytes(rows));
        writer.Launch(chosen.Kernel, chosen.Blocks, [qkv, sequences, visible, cache, partials, rows]);
        var combine = kernel.ChooseCombine(rows);
        writer.Launch(combine.Kernel, combine.Blocks, [partials, o, rows]);
        writer.Release();
    }
}

/// <summary>The operands of attention's backward pass.</summary>
/// <param name="Qkv">Queries, keys and values behind rotary.</param>
/// <param name="Output">What attention gave.</param>
/// <param name="Lse">The logarithms of its softmax sums.</param>
/// <param name="OutputGradient">The gradient of what it gave.</param>
/// <param name="QkvGradient">Where the gradient of queries, keys and values goes.</param>
/// <param name="Turn">Takes gradients of queries and keys back behind rotary: (gradient, positions, table, rows); null to leave them.</param>
/// <param name="Positions">(batch, positions) int.</param>
/// <param name="Table">(context, head width / 2) pairs of floats: cosine and sine.</param>
internal readonly record struct AttentionGradient(
    DevicePointer Qkv, DevicePointer Output, DevicePointer Lse, DevicePointer OutputGradient, DevicePointer QkvGradient, Kernel? Turn, DevicePointer Positions, DevicePointer Table)
{
    /// <summary>The table for kernels that turn the gradient themselves; null where it is to stay.</summary>
    public DevicePointer TurnTable => Turn is null ? default : Table;
}
