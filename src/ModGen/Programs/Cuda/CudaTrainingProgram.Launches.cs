using ModGen.Cuda;

namespace ModGen.Programs;

/// <content>What generated code appends its launches with: places in memory, counts, scratch, and what it reports from.</content>
public abstract partial class CudaTrainingProgram
{
    /// <summary>(batch, context) int: the tokens of the run.</summary>
    protected DevicePointer Tokens => _memory.Batch.Tokens;

    /// <summary>(batch, context) int: the targets of the run, negative where none counts.</summary>
    protected DevicePointer Targets => _memory.Batch.Targets;

    /// <summary>(batch, context) int: 0 … context − 1 in every sequence.</summary>
    protected DevicePointer Positions => _memory.Positions;

    /// <summary>A float: what the gradient of this run's losses is multiplied with.</summary>
    protected DevicePointer Scale => _memory.Batch.Scale;

    /// <summary>A float: <see cref="Scale"/> over the number of targets that count; 0 without any.</summary>
    protected DevicePointer LossScale => _memory.Batch.LossScale;

    /// <summary>A float: one over the number of targets that count; 0 without any.</summary>
    protected DevicePointer InverseTargets => _memory.Batch.InverseTargets;

    /// <summary>An unsigned 64-bit number that random routing draws from.</summary>
    protected DevicePointer Draw => _memory.Batch.Draw;

    /// <summary>A float: where the mean cross-entropy goes.</summary>
    protected DevicePointer CrossEntropySlot => _memory.Losses.CrossEntropy;

    /// <summary>(batch, context, vocabulary) float: where logits go.</summary>
    protected DevicePointer LogitsOut => _writer.IsMeasuring ? LaunchWriter.Nowhere : _memory.Logits;

    /// <summary>(context, head width / 2) pairs of floats: cosine and sine of every position.</summary>
    protected DevicePointer RotaryTable => _memory.RotaryTable;

    /// <summary>A float: where the auxiliary loss of a layer goes.</summary>
    protected DevicePointer AuxiliaryLossSlot(int layer) => _memory.Losses.Auxiliary(layer);

    /// <summary>A float: where the loss of a layer's predictor goes.</summary>
    protected DevicePointer PredictorLossSlot(int layer) => _memory.Losses.Predictor(layer);

    /// <summary>Activations in float32.</summary>
    /// <param name="offset">First element, counted in one sequence: in the batch a buffer lies at Batch times that.</param>
    protected DevicePointer Floats(long offset) => _memory.Floats + sizeof(float) * Batch * offset;

    /// <summary>Positions and other ints, in the arena of <see cref="Floats"/>.</summary>
    /// <param name="offset">First element, counted in one sequence.</param>
    protected DevicePointer Integers(long offset) => Floats(offset);

    /// <summary>Activations as operands, in the device's precision.</summary>
    /// <param name="offset">First element, counted in one sequence.</param>
    protected DevicePointer Operands(long offset) => _memory.Operands + _device.OperandBytes * Batch * offset;

    /// <summary>Parameters in float32.</summary>
    /// <param name="offset">First element of the arena.</param>
    protected DevicePointer Weights(long offset) => _weights.Master + sizeof(float) * offset;

    /// <summary>Parameters as operands, in the device's precision.</summary>
    /// <param name="offset">First element of the arena.</param>
    protected DevicePointer WeightOperands(long offset) => _weights.Operands + _device.OperandBytes * offset;

    /// <summary>Gradients in float32; a pass adds to them.</summary>
    /// <param name="offset">First element of the arena.</param>
    protected DevicePointer Gradients(long offset) =>
        (_writer.IsMeasuring ? LaunchWriter.Nowhere : _memory.Optimizer.State(TrainingState.Gradients)) + sizeof(float) * offset;

    /// <summary>Scratch memory for the launch that is appended next, at a multiple of 256 bytes; each piece is a launch's own.</summary>
    protected DevicePointer Workspace(long bytes) => _writer.Scratch(bytes);

    /// <summary>Scratch memory that keeps its contents over several launches, until <see cref="ReleaseWorkspace"/>.</summary>
    protected DevicePointer WorkspaceHeld(long bytes) => _writer.Hold(bytes);

    /// <summary>Gives back what was held.</summary>
    protected void ReleaseWorkspace() => _writer.Release();

    /// <summary>Appends a launch to the pass.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="blocks">Blocks of the grid, at least 1.</param>
    /// <param name="arguments">What the entry point takes, in its order.</param>
    protected void Launch(Kernel kernel, int blocks, ReadOnlySpan<Argument> arguments) => _writer.Launch(kernel, blocks, arguments);

    /// <summary>Appends the zeroing of memory.</summary>
    protected void Clear(DevicePointer at, long bytes) => _writer.Clear(at, bytes);

    /// <summary>A number of rows that is known now.</summary>
    protected static RowCount Rows(long rows) => new(checked((int)rows));

    /// <summary>Blocks that <paramref name="count"/> things need when a block takes <paramref name="per"/>.</summary>
    protected internal static int Blocks(long count, int per) => checked((int)((count + per - 1) / per));

    /// <summary>Reads ints of the last run; valid until the next.</summary>
    /// <param name="offset">As in <see cref="Integers"/>.</param>
    /// <param name="perSequence">How many a sequence.</param>
    protected ReadOnlySpan<int> ReadIntegers(long offset, int perSequence) => Report<int>(offset, perSequence);

    /// <summary>Reads floats of the last run; valid until the next.</summary>
    /// <param name="offset">As in <see cref="Floats"/>.</param>
    /// <param name="perSequence">How many a sequence.</param>
    protected ReadOnlySpan<float> ReadFloats(long offset, int perSequence) => Report<float>(offset, perSequence);

    private T[] Report<T>(long offset, int perSequence)
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        // An evaluation asks for the same report once a sequence.
        if (_reports.TryGetValue(offset, out var known) && known is T[] kept && kept.Length == Batch * perSequence)
            return kept;
        var values = new T[checked(Batch * perSequence)];
        _stream.Download<T>(values, Floats(offset));
        Wait();
        _reports[offset] = values;
        return values;
    }

    private ReadOnlySpan<float> Losses()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_waiting)
            Wait();
        return _memory.Losses.Of(_recalled.Step, _recalled.Run);
    }

    /// <summary>Refuses a layer that the model does not have.</summary>
    protected int CheckLayer(int layer) => _model.Description.CheckLayer(layer);
}
