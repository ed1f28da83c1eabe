using ModGen.Cuda;

namespace ModGen.Programs;

/// <content>What generated code appends its launches with: places in memory, counts and scratch.</content>
public abstract partial class CudaInferenceProgram
{
    /// <summary>Rows of the call, counted on the device.</summary>
    protected RowCount Rows => new(_bucket.Call.Most, _bucket.Call.RowCount);

    /// <summary>Rows that entered the routed layer at work, counted on the device.</summary>
    protected RowCount Active => new(_bucket.Call.Most, ActiveCount);

    /// <summary>Rows whose logits are wanted, counted on the device.</summary>
    protected RowCount Wanted => new(_bucket.Call.Most, _bucket.Call.WantedCount);

    /// <summary>(rows) int: token ids.</summary>
    protected DevicePointer Tokens => _bucket.Call.Tokens;

    /// <summary>(rows) int: the sequence of each row.</summary>
    protected DevicePointer RowSequences => _bucket.Call.Sequences;

    /// <summary>(rows) int: the position of each row in its sequence.</summary>
    protected DevicePointer Positions => _bucket.Call.Positions;

    /// <summary>(wanted) int: rows whose logits are wanted, ascending.</summary>
    protected DevicePointer WantedRows => _bucket.Call.WantedRows;

    /// <summary>An int: where a routed layer counts the rows that enter it, for <see cref="Active"/>.</summary>
    protected DevicePointer ActiveCount => _memory.ActiveCount;

    /// <summary>(active) int: which rows entered the layer at work, ascending.</summary>
    protected DevicePointer EnteredRows => _memory.Column(0);

    /// <summary>(active) int: their positions.</summary>
    protected DevicePointer EnteredPositions => _memory.Column(1);

    /// <summary>(active) int: their sequences.</summary>
    protected DevicePointer EnteredSequences => _memory.Column(2);

    /// <summary>An int: not 0 when the caller forces which rows enter.</summary>
    protected DevicePointer Forced => _bucket.Call.Forced;

    /// <summary>An unsigned 64-bit number that random routing draws from.</summary>
    protected DevicePointer Draw => _bucket.Call.Draw;

    /// <summary>(wanted, vocabulary) float: where logits go.</summary>
    protected DevicePointer LogitsOut => _memory.Logits;

    /// <summary>(context, head width / 2) pairs of floats: cosine and sine of every position.</summary>
    protected DevicePointer RotaryTable => _memory.RotaryTable;

    /// <summary>(rows) int: 1 where the caller forces a row into a routed layer.</summary>
    /// <param name="layer">Index among all layers.</param>
    protected DevicePointer ForcedRows(int layer) => _bucket.Call.ForcedRows(_routedLayers[layer]);

    /// <summary>(rows) int: where a routed layer notes which rows entered, 0 or 1.</summary>
    /// <param name="layer">Index among all layers.</param>
    protected DevicePointer EnteredFlags(int layer) => _bucket.Call.Flags(_routedLayers[layer]);

    /// <summary>(sequences, context, 2, key/value heads · head width) operands: a layer's cache, keys before values in every entry.</summary>
    protected DevicePointer Keys(int layer) => _memory.Caches.Entries(layer);

    /// <summary>(sequences) int: entries that each sequence has in a layer's cache.</summary>
    protected DevicePointer Lengths(int layer) => _memory.Caches.Lengths(layer);

    /// <summary>Activations in float32.</summary>
    /// <param name="offset">First element, counted in one row: a buffer lies at MaximumRows times that.</param>
    protected DevicePointer Floats(long offset) => _memory.Floats + sizeof(float) * MaximumRows * offset;

    /// <summary>Ints, in the arena of <see cref="Floats"/>.</summary>
    /// <param name="offset">First element, counted in one row.</param>
    protected DevicePointer Integers(long offset) => Floats(offset);

    /// <summary>Activations as operands, in the device's precision.</summary>
    /// <param name="offset">First element, counted in one row.</param>
    protected DevicePointer Operands(long offset) => _memory.Operands + _device.OperandBytes * MaximumRows * offset;

    /// <summary>Parameters in float32.</summary>
    /// <param name="offset">First element of the arena.</param>
    protected DevicePointer Weights(long offset) => _weights.Master + sizeof(float) * offset;

    /// <summary>Parameters as operands, in the device's precision.</summary>
    /// <param name="offset">First element of the arena.</param>
    protected DevicePointer WeightOperands(long offset) => _weights.Operands + _device.OperandBytes * offset;

    /// <summary>Appends a launch to the pass.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="blocks">Blocks of the grid, at least 1.</param>
    /// <param name="arguments">What the entry point takes, in its order.</param>
    protected void Launch(Kernel kernel, int blocks, ReadOnlySpan<Argument> arguments) => _writer.Launch(kernel, blocks, arguments);

    /// <summary>Blocks that <paramref name="count"/> things need when a block takes <paramref name="per"/>.</summary>
    protected static int Blocks(long count, int per) => CudaTrainingProgram.Blocks(count, per);
}
