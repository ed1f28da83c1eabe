using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>
/// Causal grouped-query attention within each sequence. Input: packed rows (T, (H + 2G)·w) of H query, G key and G value
/// heads; query head h uses key/value head h / (H/G); scores are scaled by 1/√w. Results: output (T, H·w) and the
/// log-sum-exp of each row's scores (H, T).
/// </summary>
public sealed record CausalAttention(int Heads, int KeyValueHeads, int HeadWidth) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Single() is { Leading: LeadingExtent.Batch, Extents.Count: 2 } qkv && qkv.Last == (Heads + 2 * KeyValueHeads) * HeadWidth, inputs);
        var length = inputs[0].Extents[0];
        return [inputs[0].WithLast(Heads * HeadWidth), TensorType.Batched(Heads, length)];
    }

    /// <summary>Two products over the causal half of the (T, T) scores.</summary>
    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Rows * inputs[0].Rows * Heads * HeadWidth;

    public override void Gradient(GradientScope scope) => scope.Contribute(
        0, new CausalAttentionGradient(Heads, KeyValueHeads, HeadWidth), scope.Input(0), scope.Output(0), scope.Output(1), scope.Upstream);
}

/// <summary>Gradient of the packed rows. Inputs: qkv, output, log-sum-exp, gradient of the output.</summary>
public sealed record CausalAttentionGradient(int Heads, int KeyValueHeads, int HeadWidth) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 4 && inputs[1] == inputs[3], inputs);
        return [inputs[0]];
    }

    /// <summary>Five products, the first of them the scores computed again.</summary>
    public override double Flops(IReadOnlyList<TensorType> inputs) => 5.0 * inputs[0].Rows * inputs[0].Rows * Heads * HeadWidth;
}

/// <summary>
/// Attention of a few new rows over their sequences' caches: each row's key and value are appended, then the row attends
/// to all entries up to its own. Inputs: packed rows (rows, (H + 2G)·w), sequences (rows). Results: output (rows, H·w) and
/// how many entries each row sees (rows).
/// </summary>
public sealed record CachedAttention(int Heads, int KeyValueHeads, int HeadWidth, int Context) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Last == (Heads + 2 * KeyValueHeads) * HeadWidth, inputs);
        return [inputs[0].WithLast(Heads * HeadWidth), inputs[1]];
    }

    /// <summary>At the mean length of a full context.</summary>
    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Rows * Context * Heads * HeadWidth;
}
