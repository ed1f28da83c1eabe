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
}
