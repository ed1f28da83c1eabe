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

    /// <summary>Appends a product whose result is two branches, and SwiGLU of these.</summary>
    /// <param name="kernel">Both.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="weight">(2 · width, inputs).</param>
    /// <param name="branches">(rows, 2 · width) what the backward pass reads.</param>
    /// <param name="result">(rows, width).</param>
    /// <param name="rows">Rows of the batch.</param>
    protected void LinearSwiGlu(FusedLinear kernel, DevicePointer x, DevicePointer weight, DevicePointer branches, DevicePointer result, RowCount rows) =>
        _writer.LinearSwiGlu(kernel, x, weight, branches, result, rows);

    /// <summary>Appends the gradient of SwiGLU's branches from the gradient of the layer behind it.</summary>
    /// <param name="kernel">That layer's input gradient, and SwiGLU's.</param>
    /// <param name="dy">(rows, outputs).</param>
    /// <param name="weight">(outputs, width).</param>
    /// <param name="branches">(rows, 2 · width).</param>
    /// <param name="result">(rows, 2 · width); may be the branches.</param>
    /// <param name="rows">Rows of the batch.</param>
    protected void SwiGluInputGradient(FusedLinear kernel, DevicePointer dy, DevicePointer weight, DevicePointer branches, DevicePointer result, RowCount rows) =>
        _writer.SwiGluInputGradient(kernel, dy, weight, branches, result, rows);

    /// <summary>Appends a product and the rotation of its first heads by their positions.</summary>
    /// <param name="kernel">Both.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="weight">(outputs, inputs).</param>
    /// <param name="result">(rows, outputs).</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="positions">(rows) ints.</param>
    /// <param name="table">Cosine and sine of each position and frequency.</param>
    protected void LinearRotary(FusedLinear kernel, DevicePointer x, DevicePointer weight, DevicePointer result, RowCount rows, DevicePointer positions, DevicePointer table) =>
        _writer.LinearRotary(kernel, x, weight, result, rows, positions, table);

    /// <summary>Appends a product and its sum with rows that are there already.</summary>
    /// <param name="kernel">Both.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="weight">(outputs, inputs).</param>
    /// <param name="residual">(rows, outputs).</param>
    /// <param name="result">(rows, outputs); may be the residual.</param>
    /// <param name="rows">Rows of the batch.</param>
    protected void LinearSum(FusedLinear kernel, DevicePointer x, DevicePointer weight, DevicePointer residual, DevicePointer result, RowCount rows) =>
        _writer.LinearSum(kernel, x, weight, residual, result, rows);

    /// <summary>Appends the forward pass of attention over the batch's sequences.</summary>
    protected void AttentionForward(AttentionKernel kernel, DevicePointer qkv, DevicePointer o, DevicePointer lse) => _writer.AttentionForward(kernel, qkv, o, lse, Batch);

    /// <summary>Appends the backward pass of attention.</summary>
    /// <param name="kernel">The operation.</param>
    /// <param name="turn">Rotary's gradient, where queries and keys are to be taken back behind it; else null.</param>
    /// <param name="positions">(batch, positions) int, for rotary.</param>
    /// <param name="qkv">Queries, keys and values behind rotary.</param>
    /// <param name="o">What attention gave.</param>
    /// <param name="lse">The logarithms of its softmax sums.</param>
    /// <param name="outputGradient">The gradient of what it gave.</param>
    /// <param name="gradient">Where the gradient of queries, keys and values goes.</param>
    protected void AttentionBackward(
        AttentionKernel kernel, Kernel? turn, DevicePointer positions, DevicePointer qkv, DevicePointer o, DevicePointer lse, DevicePointer outputGradient, DevicePointer gradient) =>
        _writer.AttentionBackward(kernel, new AttentionGradient(qkv, o, lse, outputGradient, gradient, turn, positions, RotaryTable), Batch);

    /// <summary>Appends a kernel that leaves partial column sums, and the one that makes a gradient of them in their order, or adds them to it.</summary>
    /// <param name="kernel">The kernel; its last arguments, the partial sums and the rows, are supplied here.</param>
    /// <param name="width">Columns.</param>
    /// <param name="gradient">(width) what is stored or added to.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="arguments">The kernel's other arguments.</param>
    protected void LaunchWithColumnSums(Kernel kernel, int width, DevicePointer gradient, RowCount rows, ReadOnlySpan<Argument> arguments) =>
        _writer.ColumnSums(kernel, width, [gradient], rows, arguments);

    /// <summary>The same with partial column sums for two gradients.</summary>
    /// <param name="kernel">The kernel; its last arguments, both partial sums and the rows, are supplied here.</param>
    /// <param name="width">Columns.</param>
    /// <param name="gradient">(width) what is stored or added to first.</param>
    /// <param name="second">(width) what is stored or added to then.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="arguments">The kernel's other arguments.</param>
    protected void LaunchWithColumnSums(Kernel kernel, int width, DevicePointer gradient, DevicePointer second, RowCount rows, ReadOnlySpan<Argument> arguments) =>
        _writer.ColumnSums(kernel, width, [gradient, second], rows, arguments);

    /// <summary>Appends a kernel that leaves partial sums, and the one that stores their total.</summary>
    /// <param name="kernel">The kernel; its last arguments, the partial sums and the rows, are supplied here.</param>
    /// <param name="total">A float: where the total goes.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="arguments">The kernel's other arguments.</param>
    protected void LaunchWithTotal(Kernel kernel, DevicePointer total, RowCount rows, ReadOnlySpan<Argument> arguments) => _writer.Total(kernel, total, rows, arguments);
}
