using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>
/// What a GPU keeps as operands of matrix products (bfloat16) and what as float32: the residual stream, its gradient, sums,
/// scores, statistics and losses stay float32.
/// </summary>
internal sealed class CudaPrecisions : IPrecisionTable
{
    public Precision? Takes(Node node, int input) => node.Op switch
    {
        Linear => input == 0 ? Precision.Operand : null,
        LinearInputGradient => input == 0 ? Precision.Operand : null,
        LinearWeightGradient or BiasGradient or SwiGlu or SwiGluGradient or Silu or SiluGradient => Precision.Operand,
        Rotary or RotaryGradient or CausalAttention or CachedAttention => input == 0 ? Precision.Operand : null,
        CausalAttentionGradient => input == 2 ? Precision.Word : Precision.Operand,
        RmsNorm or RouterScores or RouterWeightGradient or EmbeddingGradient => Precision.Word,
        RmsNormGradient => input == 0 ? null : Precision.Word,
        RoutingLoss or RoutingLossGradient or CausalSelect or TopK or Gate or GateGradient => Precision.Word,
        ScatterAddRows => input == 0 ? Precision.Word : null,
        RowDot => input == 0 ? Precision.Word : null,
        _ => null,
    };

    public Precision Leaves(Node node, int output, IReadOnlyList<Precision> inputs) => node.Op switch
    {
        // A predictor's score is compared and goes into a loss.
        Linear => node.Output.Type.Last == 1 ? Precision.Word : Precision.Operand,
        LinearInputGradient or Rotary or RotaryGradient or SwiGlu or SwiGluGradient or Silu or SiluGradient or Narrow or CausalAttentionGradient or CrossEntropyGradient => Precision.Operand,
        RmsNorm or CausalAttention or CachedAttention => output == 0 ? Precision.Operand : Precision.Word,
        Add => inputs.All(p => p == Precision.Operand) ? Precision.Operand : Precision.Word,
        GatherRows or ScaleRows => inputs[0],
        _ => Precision.Word,
    };
}
