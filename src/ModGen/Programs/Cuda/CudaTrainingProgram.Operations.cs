using ModGen.Cuda;

namespace ModGen.Programs;

/// <content>Operations whose kernels depend on the device.</content>
public abstract partial class CudaTrainingProgram
{
    /// <summary>Bytes of an operand: 2 in bfloat16, 4 in float32.</summary>
    protected int OperandBytes => _device.OperandBytes;

    /// <summary>Appends a product of a linear layer.</summary>
    /// <param name="kernel">The product.</param>
    /// <param name="a">Its first operand.</param>
    /// <param name="b">Its second operand.</param>
    /// <param name="result">Where the result goes.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="more">What the entry point takes beyond that.</param>
    protected void Linear(LinearKernel kernel, DevicePointer a, DevicePointer b, DevicePointer result, RowCount rows, ReadOnlySpan<Argument> more = default) =>
        _writer.Linear(kernel, a, b, result, rows, more);

    /// <summary>Appends the forward pass of attention over the batch's sequences.</summary>
    protected void AttentionForward(AttentionKernel kernel, DevicePointer qkv, DevicePointer o, DevicePointer lse) => _writer.AttentionForward(kernel, qkv, o, lse, Batch);

    /// <summary>Appends the backward pass of attention.</summary>
    protected void AttentionBackward(AttentionKernel kernel, DevicePointer qkv, DevicePointer o, DevicePointer lse, DevicePointer outputGradient, DevicePointer gradient) =>
        _writer.AttentionBackward(kernel, qkv, o, lse, outputGradient, gradient, Batch);

    /// <summary>Appends a kernel that leaves partial column sums, and the one that adds them to a gradient in their order.</summary>
    /// <param name="kernel">The kernel; its last arguments, the partial sums and the rows, are supplied here.</param>
    /// <param name="sum">What adds rows of partial sums to a gradient.</param>
    /// <param name="width">Columns.</param>
    /// <param name="gradient">(width) what is added to.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="arguments">The kernel's other arguments.</param>
    protected void LaunchWithColumnSums(Kernel kernel, Kernel sum, int width, DevicePointer gradient, RowCount rows, ReadOnlySpan<Argument> arguments) =>
        _writer.ColumnSums(kernel, sum, width, gradient, rows, arguments);
}
