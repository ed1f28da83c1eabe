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

    /// <summary>True where the pass is one of a few rows in bfloat16, for which layers have fused kernels.</summary>
    protected bool Decodes => DecodeProduct.Suits(_device.Context, Rows);

    /// <summary>Appends a layer that every row of a decode step enters.</summary>
    /// <param name="kernel">The layer's kernels.</param>
    /// <param name="layer">Index among all layers.</param>
    /// <param name="x">The stream, which it updates.</param>
    /// <param name="epsilon">What the norms add to a mean square.</param>
    /// <param name="weights">Its parameters.</param>
    protected void DecodeLayer(DecodeLayerKernel kernel, int layer, DevicePointer x, float epsilon, LayerWeights weights) =>
        _writer.DecodeLayer(kernel, weights, x, new DecodeRows(Rows, Positions, RowSequences), CacheOf(layer), RotaryTable, epsilon);

    /// <summary>Appends a routed layer of a decode step on rows that have been chosen, whose results are not gated.</summary>
    /// <param name="kernel">The layer's kernels.</param>
    /// <param name="layer">Index among all layers.</param>
    /// <param name="x">The stream, of which it updates the rows that entered.</param>
    /// <param name="epsilon">What the norms add to a mean square.</param>
    /// <param name="weights">Its parameters.</param>
    protected void DecodeRoutedLayer(DecodeLayerKernel kernel, int layer, DevicePointer x, float epsilon, LayerWeights weights) =>
        _writer.DecodeLayer(kernel, weights, x, EnteringRows, CacheOf(layer), RotaryTable, epsilon);

    /// <summary>Appends a routed layer of a decode step with the choice of its rows.</summary>
    /// <param name="kernel">The layer's kernels.</param>
    /// <param name="layer">Index among all layers.</param>
    /// <param name="x">The stream, of which it updates the rows that entered.</param>
    /// <param name="routing">The kernels of the choice.</param>
    /// <param name="router">What decides.</param>
    /// <param name="epsilon">What the norms add to a mean square.</param>
    /// <param name="weights">Its parameters.</param>
    protected void DecodeRoutedLayer(DecodeLayerKernel kernel, int layer, DevicePointer x, DecodeRouterKernel routing, LayerRouter router, float epsilon, LayerWeights weights)
    {
        var choice = new DecodeChoice(Forced, ForcedRows(layer), EnteredFlags(layer), new DecodeRows(Rows, Positions, RowSequences), EnteringRows);
        _writer.DecodeRoutedLayer(kernel, routing, router, choice, weights, x, CacheOf(layer), RotaryTable, epsilon);
    }

    /// <summary>Appends the final norm and the wanted logits of a decode step.</summary>
    /// <param name="kernel">The head's kernels.</param>
    /// <param name="x">The stream.</param>
    /// <param name="gain">(width) gain of the norm.</param>
    /// <param name="weight">(vocabulary, width) operands.</param>
    /// <param name="epsilon">What the norm adds to a mean square.</param>
    protected void DecodeHead(DecodeHeadKernel kernel, DevicePointer x, DevicePointer gain, DevicePointer weight, float epsilon) =>
        _writer.DecodeHead(kernel, x, WantedRows, Wanted, gain, weight, LogitsOut, epsilon);

    private DecodeCache CacheOf(int layer) => new(Keys(layer), Lengths(layer), _memory.Arrivals);

    private DecodeRows EnteringRows => new(Active, EnteredPositions, EnteredSequences, EnteredRows);
}
