using System.Collections.Generic;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Kernels of the CPU that stand for one node each: every op has one.</summary>
internal static class CpuSingleKernels
{
    public static IReadOnlyList<CpuKernel> Forward { get; } =
    [
        CpuKernel.For<Embedding>("embedding",
            n => [Read("tokens", n.Inputs[0]), Read("table", n.Inputs[1]), Write("y", n.Output)],
            c => CpuCall.Statement("Embedding.Forward", c["tokens"], c["table"], c["y"], c.Rows("y"), c.Width("y"))),
        CpuKernel.For<RmsNorm>("rms_norm",
            n => [Read("x", n.Inputs[0]), Read("gain", n.Inputs[1]), Write("y", n.Outputs[0]), Write("rstd", n.Outputs[1])],
            c => CpuCall.Statement("RmsNorm.Forward", c["x"], c["gain"], c["y"], c["rstd"], c.Rows("x"), c.Width("x"), Literal.Float(c.Op<RmsNorm>().Epsilon))),
        CpuKernel.For<Linear>("linear",
            n => n.Inputs.Count == 3
                ? [Read("x", n.Inputs[0]), Read("weight", n.Inputs[1]), Read("bias", n.Inputs[2]), Write("y", n.Output)]
                : [Read("x", n.Inputs[0]), Read("weight", n.Inputs[1]), Write("y", n.Output)],
            c => c.Has("bias")
                ? CpuCall.Statement("Linear.ForwardBias", c["x"], c["weight"], c["bias"], c["y"], c.Rows("x"), c.Width("x"), c.Width("y"))
                : CpuCall.Statement("Linear.Forward", c["x"], c["weight"], c["y"], c.Rows("x"), c.Width("x"), c.Width("y"))),
        CpuKernel.For<Rotary>("rotary",
            n => [Read("x", n.Inputs[0]), Read("positions", n.Inputs[1]), Overwrite("y", n.Output, over: n.Inputs[0])],
            c => CpuCall.Statement("Rotary.Forward", c["y"], c["positions"], "_cos", "_sin", c.Rows("x"), c.Width("x"), Literal.Of(c.Op<Rotary>().Heads), Literal.Of(c.Op<Rotary>().HeadWidth))),
        CpuKernel.For<CausalAttention>("attention",
            n => [Read("qkv", n.Inputs[0]), Write("o", n.Outputs[0]), Write("lse", n.Outputs[1])],
            c => CpuCall.Statement("CausalAttention.Forward", c["qkv"], c["o"], c["lse"], c.BatchAndLength("qkv"), Literal.Of(c.Op<CausalAttention>().Heads), Literal.Of(c.Op<CausalAttention>().KeyValueHeads), Literal.Of(c.Op<CausalAttention>().HeadWidth))),
        CpuKernel.For<CachedAttention>("cached_attention",
            n => [Read("qkv", n.Inputs[0]), Read("sequences", n.Inputs[1]), Write("o", n.Outputs[0]), Write("visible", n.Outputs[1])],
            CachedAttentionCalls),
        CpuKernel.For<SwiGlu>("swiglu",
            n => [Read("x", n.Inputs[0]), Write("y", n.Output)],
            c => CpuCall.Statement("SwiGlu.Forward", c["x"], c["y"], c.Rows("y"), c.Width("y"))),
        CpuKernel.For<Silu>("silu",
            n => [Read("x", n.Inputs[0]), Write("y", n.Output, inPlaceOf: n.Inputs[0])],
            c => CpuCall.Statement("Silu.Forward", c["x"], c["y"])),
        CpuKernel.For<Add>("add",
            n => [Read("a", n.Inputs[0]), Read("b", n.Inputs[1]), Write("sum", n.Output, inPlaceOf: n.Inputs[0])],
            c => CpuCall.Statement("Elementwise.Add", c["a"], c["b"], c["sum"])),
        CpuKernel.For<RouterScores>("router_scores",
            n => [Read("x", n.Inputs[0]), Read("weight", n.Inputs[1]), Write("scores", n.Output)],
            c => CpuCall.Statement("Router.Scores", c["x"], c["weight"], c["scores"], c.Rows("x"), c.Width("x"))),
        CpuKernel.For<RandomScores>("random_scores",
            n => [Read("positions", n.Inputs[0]), Write("scores", n.Output)],
            c => CpuCall.Statement("RandomRouter.Scores", c["positions"], c["scores"], "draw", "layer", Literal.Float(c.Op<RandomScores>().Offset), c.ScoresBatchAndLength("scores"))),
        CpuKernel.For<TopK>("top_k",
            n => [Read("scores", n.Inputs[0]), Write("indices", n.Output)],
            c => CpuCall.Statement("TopK.Select", c["scores"], c["indices"], c.ScoresBatchAndLength("scores"), c.Count("indices"))),
        CpuKernel.For<CausalSelect>("causal_select",
            n => [Read("logits", n.Inputs[0]), Provide("indices", n.Outputs[0]), Provide("positions", n.Outputs[1]), Provide("sequences", n.Outputs[2])],
            c => [$"var entered = Enter(layer, {c["logits"]});", "var active = entered.Count;", "if (active == 0)", "    return;"]),
        CpuKernel.For<GatherRows>("gather",
            n => [Read("x", n.Inputs[0]), Read("indices", n.Inputs[1]), Write("y", n.Output)],
            c => CpuCall.Statement("Rows.Gather", c["x"], c["indices"], c["y"], c.BatchAndLength("x"), c.Count("indices"), c.Width("x"))),
        CpuKernel.For<Gate>("gate",
            n => [Read("scores", n.Inputs[0]), Read("indices", n.Inputs[1]), Write("gates", n.Output)],
            c => CpuCall.Statement($"Gates.{c.Op<Gate>().Kind}", c["scores"], c["indices"], c["gates"], c.ScoresBatchAndLength("scores"), c.Count("indices"))),
        CpuKernel.For<ScatterAddRows>("scatter_add_rows",
            n => [Read("x", n.Inputs[0]), Read("indices", n.Inputs[1]), Read("f", n.Inputs[2]), Write("y", n.Output, inPlaceOf: n.Inputs[0])],
            c => [$"{c["x"]}.CopyTo({c["y"]});", CpuCall.Kernel("Rows.ScatterAdd", c["f"], c["indices"], c["y"], c.BatchAndLength("x"), c.Count("indices"), c.Width("x")) + ";"]),
        CpuKernel.For<RoutingLoss>("routing_loss",
            n => [Read("logits", n.Inputs[0]), Read("indices", n.Inputs[1]), Write("loss", n.Output)],
            c => [$"{c["loss"]} = {CpuCall.Kernel("RoutingLoss.Forward", c["logits"], c["indices"], c.ScoresBatchAndLength("logits"), c.Count("indices"))};"]),
        // The last node of a loss term: reports carry the unweighted loss, and gradients carry the weight themselves.
        CpuKernel.Fused("loss_term",
            (m, n) => n.Op is Scale && m.Uses(n.Output).Count == 0 ? new KernelMatch([n], [Read("x", n.Inputs[0]), Write("y", n.Output)]) : null,
            _ => []),
        CpuKernel.For<Scale>("scale",
            n => [Read("x", n.Inputs[0]), Write("y", n.Output)],
            c => [$"var {c["y"]} = {Literal.Float(c.Op<Scale>().Factor)} * {c["x"]};"]),
    ];

    public static IReadOnlyList<CpuKernel> Backward { get; } =
    [
        CpuKernel.For<EmbeddingGradient>("embedding_gradient",
            n => [Read("tokens", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dtable", n.Output)],
            c => CpuCall.Statement("Embedding.Backward", c["tokens"], c["dy"], c["dtable"], c.Rows("dy"), c.Width("dy"), Literal.Of(c.Op<EmbeddingGradient>().Vocabulary))),
        CpuKernel.For<RmsNormGradient>("rms_norm_gradient",
            n => [Read("dy", n.Inputs[0]), Read("x", n.Inputs[1]), Read("gain", n.Inputs[2]), Read("rstd", n.Inputs[3]), Write("dx", n.Outputs[0]), Write("dgain", n.Outputs[1])],
            c => CpuCall.Statement("RmsNorm.Backward", c["dy"], c["x"], c["gain"], c["rstd"], c["dx"], c["dgain"], c.Rows("x"), c.Width("x"))),
        CpuKernel.For<LinearInputGradient>("linear_input_gradient",
            n => [Read("dy", n.Inputs[0]), Read("weight", n.Inputs[1]), Write("dx", n.Output)],
            c => CpuCall.Statement("Linear.InputGradient", c["dy"], c["weight"], c["dx"], c.Rows("dy"), c.Width("dx"), c.Width("dy"))),
        CpuKernel.For<LinearWeightGradient>("linear_weight_gradient",
            n => [Read("x", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dweight", n.Output)],
            c => CpuCall.Statement("Linear.WeightGradient", c["x"], c["dy"], c["dweight"], c.Rows("x"), c.Width("x"), c.Width("dy"))),
        CpuKernel.For<BiasGradient>("bias_gradient",
            n => [Read("dy", n.Inputs[0]), Write("dbias", n.Output)],
            c => CpuCall.Statement("Linear.BiasGradient", c["dy"], c["dbias"], c.Rows("dy"), c.Width("dy"))),
        CpuKernel.For<RotaryGradient>("rotary_gradient",
            n => [Read("dy", n.Inputs[0]), Read("positions", n.Inputs[1]), Overwrite("dx", n.Output, over: n.Inputs[0])],
            c => CpuCall.Statement("Rotary.Backward", c["dx"], c["positions"], "_cos", "_sin", c.Rows("dy"), c.Width("dy"), Literal.Of(c.Op<RotaryGradient>().Heads), Literal.Of(c.Op<RotaryGradient>().HeadWidth))),
        CpuKernel.For<CausalAttentionGradient>("attention_gradient",
            n => [Read("qkv", n.Inputs[0]), Read("o", n.Inputs[1]), Read("lse", n.Inputs[2]), Read("doutput", n.Inputs[3]), Write("dqkv", n.Output)],
            c => CpuCall.Statement("CausalAttention.Backward", c["qkv"], c["o"], c["lse"], c["doutput"], c["dqkv"], c.BatchAndLength("qkv"), Literal.Of(c.Op<CausalAttentionGradient>().Heads), Literal.Of(c.Op<CausalAttentionGradient>().KeyValueHeads), Literal.Of(c.Op<CausalAttentionGradient>().HeadWidth))),
        CpuKernel.For<SwiGluGradient>("swiglu_gradient",
            n => [Read("x", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dx", n.Output, inPlaceOf: n.Inputs[0])],
            c => CpuCall.Statement("SwiGlu.Backward", c["x"], c["dy"], c["dx"], c.Rows("dy"), c.Width("dy"))),
        CpuKernel.For<SiluGradient>("silu_gradient",
            n => [Read("x", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dx", n.Output, inPlaceOf: n.Inputs[1])],
            c => CpuCall.Statement("Silu.Backward", c["x"], c["dy"], c["dx"])),
        CpuKernel.For<GateGradient>("gate_gradient",
            n => [Read("gates", n.Inputs[0]), Read("dgates", n.Inputs[1]), Read("indices", n.Inputs[2]), Write("dscores", n.Output)],
            c => CpuCall.Statement($"Gates.{c.Op<GateGradient>().Kind}Backward", c["gates"], c["dgates"], c["indices"], c["dscores"], c.ScoresBatchAndLength("dscores"), c.Count("indices"))),
        CpuKernel.For<RoutingLossGradient>("routing_loss_gradient",
            n => [Read("logits", n.Inputs[0]), Read("indices", n.Inputs[1]), Read("scale", n.Inputs[2]), Write("dlogits", n.Output)],
            c => [$"{c["dlogits"]}.Clear();", CpuCall.Kernel("RoutingLoss.Backward", c["logits"], c["indices"], c["dlogits"], c["scale"], c.ScoresBatchAndLength("logits"), c.Count("indices")) + ";"]),
    ];

    private static IEnumerable<string> CachedAttentionCalls(CpuCall c)
    {
        var op = c.Op<CachedAttention>();
        var heads = Literal.Of(op.Heads);
        yield return $"Cache(layer).Append({c["qkv"]}, {c["sequences"]}, {c["visible"]}, {c.Rows("qkv")}, {heads});";
        yield return CpuCall.Kernel("CachedAttention.Forward", c["qkv"], "Cache(layer)", c["sequences"], c["visible"], c["o"], c.Rows("qkv"), heads, Literal.Of(op.KeyValueHeads), Literal.Of(op.HeadWidth)) + ";";
    }
}
