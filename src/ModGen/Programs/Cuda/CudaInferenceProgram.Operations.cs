using ModGen.Cuda;

namespace ModGen.Programs;

/// <content>Operations whose kernels depend on the device and on the number of rows.</content>
public abstract partial class CudaInferenceProgram
{
    /// <summary>Appends a product of a linear layer.</summary>
    /// <param name="kernel">The product.</param>
    /// <param name="a">Its first operand.</param>
    /// <param name="b">Its second operand.</param>
    /// <param name="result">Where the result goes.</param>
    /// <param name="rows">Rows, counted on the device.</param>
    /// <param name="more">What the entry point takes beyond that.</param>
    protected void Linear(LinearKernel kernel, DevicePointer a, DevicePointer b, DevicePointer result, RowCount rows, ReadOnlySpan<Argument> more = default) =>
        _writer.Linear(kernel, a, b, result, rows, more);

    /// <summary>Appends attention of rows over a layer's cache.</summary>
    /// <param name="kernel">The operation.</param>
    /// <param name="qkv">(rows, columns) operands: queries, keys and values of each row.</param>
    /// <param name="sequences">(rows) int: their sequences.</param>
    /// <param name="visible">(rows) int: entries that each sees.</param>
    /// <param name="cache">The layer's cache.</param>
    /// <param name="o">Where the output goes.</param>
    /// <param name="rows">Rows, counted on the device.</param>
    protected void CachedAttention(
        CachedAttentionKernel kernel, DevicePointer qkv, DevicePointer sequences, DevicePointer visible, DevicePointer cache, DevicePointer o, RowCount rows) =>
        _writer.CachedAttention(kernel, qkv, sequences, visible, cache, o, rows, Sequences);
}
