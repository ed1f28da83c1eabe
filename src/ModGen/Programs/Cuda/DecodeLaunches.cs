using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>The parameters of a layer: gains in float32, matrices as operands.</summary>
/// <param name="AttentionGain">(width) gain of the norm before attention.</param>
/// <param name="Qkv">Queries, keys and values.</param>
/// <param name="Output">The attention's output projection.</param>
/// <param name="MlpGain">(width) gain of the norm before the MLP.</param>
/// <param name="GateUp">Gates, then the other branch.</param>
/// <param name="Down">The MLP's output projection.</param>
public readonly record struct LayerWeights(DevicePointer AttentionGain, DevicePointer Qkv, DevicePointer Output, DevicePointer MlpGain, DevicePointer GateUp, DevicePointer Down);

/// <summary>What decides who enters a routed layer of a decode step.</summary>
/// <param name="Weight">(width) float: the router's.</param>
/// <param name="Logits">(rows) float: a predictor's logits; null where the router's scores decide.</param>
/// <param name="Gates">(active) float: where gates go. It may be the place of the logits.</param>
public readonly record struct LayerRouter(DevicePointer Weight, DevicePointer Logits, DevicePointer Gates);

/// <summary>The places of the choice of a routed layer, beside those of its rows.</summary>
/// <param name="UseForced">An int: not 0 when the caller forces which rows enter.</param>
/// <param name="Forced">(rows) int: 1 where a row is forced to.</param>
/// <param name="Flags">(rows) int: where it is noted who entered.</param>
/// <param name="All">The rows of the call.</param>
/// <param name="Entered">Where the rows that entered go.</param>
internal readonly record struct DecodeChoice(DevicePointer UseForced, DevicePointer Forced, DevicePointer Flags, DecodeRows All, DecodeRows Entered);

/// <summary>The rows that a layer of a decode step works on.</summary>
/// <param name="Count">How many, counted on the device.</param>
/// <param name="Positions">(rows) int.</param>
/// <param name="Sequences">(rows) int.</param>
/// <param name="Of">(rows) int: their places in the stream; null where all rows enter.</param>
/// <param name="Gates">(rows) float: what the layer's result is multiplied by; null for 1.</param>
internal readonly record struct DecodeRows(RowCount Count, DevicePointer Positions, DevicePointer Sequences, DevicePointer Of = default, DevicePointer Gates = default);

/// <summary>The cache of a layer.</summary>
/// <param name="Entries">(sequences, context, 2, key/value heads · head width) operands.</param>
/// <param name="Lengths">(sequences) int: entries of each.</param>
/// <param name="Arrivals">An unsigned int, 0 before the first launch, by which the blocks of a persistent kernel wait for one another; the same for all layers.</param>
internal readonly record struct DecodeCache(DevicePointer Entries, DevicePointer Lengths, DevicePointer Arrivals);

/// <summary>A layer of a decode step as its few fused kernels.</summary>
internal static class DecodeLaunches
{
    private const int OperandBytes = 2, RowsOfNormBlock = 8;

    /// <summary>Appends a layer that updates the stream.</summary>
    /// <param name="writer">The pass.</param>
    /// <param name="kernel">The layer's kernels.</param>
    /// <param name="weights">Its parameters.</param>
    /// <param name="x">(rows, width) float: the stream.</param>
    /// <param name="rows">The rows that enter.</param>
    /// <param name="cache">The layer's cache.</param>
    /// <param name="rotary">(context, head width / 2) pairs of floats: cosine and sine of every position.</param>
    /// <param name="epsilon">What is added to a mean square.</param>
    public static void DecodeLayer(
        this LaunchWriter writer, DecodeLayerKernel kernel, in LayerWeights weights, DevicePointer x, in DecodeRows rows, in DecodeCache cache, DevicePointer rotary, float epsilon)
    {
        var count = rows.Count;
        var attention = kernel.Heads * kernel.HeadWidth;
        var normed = DecodeProduct.NormsApart(count) ? writer.Hold(Bytes(count, kernel.Width, OperandBytes)) : default;
        var q = writer.Hold(Bytes(count, attention, OperandBytes));
        var o = writer.Hold(Bytes(count, attention, OperandBytes));
        var t = writer.Hold(Bytes(count, kernel.Width, sizeof(float)));
        var hidden = writer.Hold(Bytes(count, kernel.FeedForward, OperandBytes));
        var routed = !rows.Of.IsNull;

        if (!normed.IsNull && routed)
            writer.Launch(kernel.GatheredNorm!, NormBlocks(count), [x, rows.Of, weights.AttentionGain, t, normed, count, epsilon]);
        else if (!normed.IsNull)
            writer.Launch(kernel.Norm, NormBlocks(count), [x, weights.AttentionGain, normed, count, epsilon]);
        Launch(kernel.ChooseQkv(count), [weights.Qkv, x, weights.AttentionGain, normed, rotary, rows.Positions, rows.Sequences, cache.Lengths, rows.Of, q, cache.Entries, count, epsilon]);
        Attend(writer, kernel, q, o, rows, cache);
        Launch(kernel.ChooseOutput(count), [weights.Output, o, x, rows.Of, t, rows.Sequences, cache.Lengths, count]);
        if (!normed.IsNull)
            writer.Launch(kernel.Norm, NormBlocks(count), [t, weights.MlpGain, normed, count, epsilon]);
        Launch(kernel.ChooseGateUp(count), [weights.GateUp, t, weights.MlpGain, normed, hidden, count, epsilon]);
        if (routed)
            Launch(kernel.ChooseDown(count), [weights.Down, hidden, t, rows.Gates, rows.Of, x, count]);
        else
            Launch(kernel.ChooseDown(count), [weights.Down, hidden, t, x, count]);
        writer.Release();

        void Launch(ChosenKernel chosen, ReadOnlySpan<Argument> arguments) => writer.Launch(chosen.Kernel, chosen.Blocks, arguments, chosen.Define);
    }

    /// <summary>Appends a routed layer with its choice: as one kernel where there is one for so many rows, else the choice and then the layer.</summary>
    /// <param name="writer">The pass.</param>
    /// <param name="kernel">The layer's kernels.</param>
    /// <param name="routing">Those of the choice.</param>
    /// <param name="router">What decides.</param>
    /// <param name="choice">The rows to choose from, and where the choice goes.</param>
    /// <param name="weights">The layer's parameters.</param>
    /// <param name="x">(rows, width) float: the stream.</param>
    /// <param name="cache">The layer's cache.</param>
    /// <param name="rotary">(context, head width / 2) pairs of floats: cosine and sine of every position.</param>
    /// <param name="epsilon">What is added to a mean square.</param>
    public static void DecodeRoutedLayer(
        this LaunchWriter writer, DecodeLayerKernel kernel, DecodeRouterKernel routing, in LayerRouter router, in DecodeChoice choice, in LayerWeights weights, DevicePointer x,
        in DecodeCache cache, DevicePointer rotary, float epsilon)
    {
        var (all, entered) = (choice.All, choice.Entered);
        if (routing.ChoosePersistent(writer.Context, all.Count) is { } persistent)
        {
            Persist(writer, persistent, kernel, router, choice, weights, x, cache, rotary, epsilon);
            return;
        }

        writer.Launch(routing.Route, 1,
        [
            x, router.Weight, router.Logits, all.Positions, all.Sequences, choice.UseForced, choice.Forced, entered.Of, entered.Positions, entered.Sequences, entered.Count.Counted, choice.Flags,
            router.Gates, all.Count,
        ]);
        writer.DecodeLayer(kernel, weights, x, entered with { Gates = router.Gates }, cache, rotary, epsilon);
    }

    /// <summary>Appends the final norm and the logits of the rows that are wanted.</summary>
    /// <param name="writer">The pass.</param>
    /// <param name="kernel">The head's kernels.</param>
    /// <param name="x">(rows, width) float: the stream.</param>
    /// <param name="wanted">(wanted) int: rows whose logits are wanted.</param>
    /// <param name="count">How many, counted on the device.</param>
    /// <param name="gain">(width) gain of the norm.</param>
    /// <param name="weight">(vocabulary, width) operands.</param>
    /// <param name="logits">Where the logits go.</param>
    /// <param name="epsilon">What is added to a mean square.</param>
    public static void DecodeHead(
        this LaunchWriter writer, DecodeHeadKernel kernel, DevicePointer x, DevicePointer wanted, RowCount count, DevicePointer gain, DevicePointer weight, DevicePointer logits, float epsilon)
    {
        DevicePointer normed = default;
        if (DecodeProduct.NormsApart(count))
        {
            normed = writer.Hold(Bytes(count, kernel.Width, OperandBytes));
            writer.Launch(kernel.GatheredNorm, NormBlocks(count), [x, wanted, gain, writer.Scratch(Bytes(count, kernel.Width, sizeof(float))), normed, count, epsilon]);
        }

        var chosen = kernel.ChooseLogits(count);
        writer.Launch(chosen.Kernel, chosen.Blocks, [weight, x, gain, normed, wanted, logits, count, epsilon], chosen.Define);
        writer.Release();
    }

    private static void Persist(
        LaunchWriter writer, ChosenKernel persistent, DecodeLayerKernel kernel, in LayerRouter router, in DecodeChoice choice, in LayerWeights weights, DevicePointer x,
        in DecodeCache cache, DevicePointer rotary, float epsilon)
    {
        var rows = choice.All;
        var q = writer.Scratch(Bytes(rows.Count, kernel.Heads * kernel.HeadWidth, OperandBytes));
        var partials = writer.Scratch(DecodeRouterKernel.PartialBytes(kernel));
        var t = writer.Scratch(Bytes(rows.Count, kernel.Width, sizeof(float)));
        var hidden = writer.Scratch(Bytes(rows.Count, kernel.FeedForward, OperandBytes));
        writer.Launch(persistent.Kernel, persistent.Blocks,
        [
            router.Weight, router.Logits, choice.UseForced, choice.Forced, choice.Flags, rows.Positions, rows.Sequences, cache.Lengths, x, weights.AttentionGain, weights.Qkv, rotary, cache.Entries, weights.Output, weights.MlpGain, weights.GateUp, weights.Down,
            q, partials, t, hidden, cache.Arrivals, rows.Count, epsilon,
        ], persistent.Define);
    }

    private static void Attend(LaunchWriter writer, DecodeLayerKernel kernel, DevicePointer q, DevicePointer o, in DecodeRows rows, in DecodeCache cache)
    {
        var count = rows.Count;
        if (DecodeLayerKernel.IsClustered(writer.Context))
        {
            var clustered = kernel.ChooseAttention(count);
            writer.Launch(clustered.Kernel, clustered.Blocks, [q, rows.Sequences, cache.Lengths, cache.Entries, o, count], clustered.Define);
            return;
        }

        var visible = writer.Hold(Bytes(count, 1, sizeof(int)));
        var partials = writer.Hold(kernel.PartialBytes(count));
        writer.Launch(kernel.Place, 1, [rows.Sequences, cache.Lengths, visible, count]);
        var (split, combine) = (kernel.ChooseSplit(count), kernel.ChooseCombine(count));
        writer.Launch(split.Kernel, split.Blocks, [q, rows.Sequences, visible, cache.Entries, partials, count]);
        writer.Launch(combine.Kernel, combine.Blocks, [partials, o, count]);
    }

    private static long Bytes(RowCount rows, int width, int elementBytes) => (long)rows.Most * width * elementBytes;

    private static int NormBlocks(RowCount rows) => CudaTrainingProgram.Blocks(rows.Most, RowsOfNormBlock);
}
