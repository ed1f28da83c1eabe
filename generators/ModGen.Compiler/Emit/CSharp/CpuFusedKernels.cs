using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Kernels of the CPU that stand for several nodes.</summary>
internal static class CpuFusedKernels
{
    public static IReadOnlyList<CpuKernel> Forward { get; } =
    [
        // The head, its loss and their gradients in chunks of rows: the logits of a batch never exist as a whole.
        CpuKernel.Fused("head_loss_gradient", FusedPatterns.HeadLossGradient, c =>
            [$"var crossEntropy = {CpuCall.Kernel("CrossEntropyHead.ForwardBackward", c["x"], c["weight"], c["targets"], c["scale"], c["dx"], c["dweight"], c.Rows("x"), c.Width("x"), Literal.Of(c.Type("weight").Extents[0]))};"]),
        CpuKernel.Fused("head_loss", FusedPatterns.HeadLoss, c =>
            [$"var crossEntropy = {CpuCall.Kernel("CrossEntropyHead.Forward", c["x"], c["weight"], c["targets"], c.Rows("x"), c.Width("x"), Literal.Of(c.Type("weight").Extents[0]))};"]),
        CpuKernel.Fused("linear_add", FusedPatterns.LinearAdd, c =>
            CpuCall.Statement("Linear.ForwardAdd", c["x"], c["weight"], c["residual"], c["y"], c.Rows("x"), c.Width("x"), c.Width("y"))),
        CpuKernel.Fused("add_rms_norm", FusedPatterns.AddRmsNorm, c =>
            CpuCall.Statement("RmsNorm.AddForward", c["x"], c["a"], c["gain"], c["sum"], c["y"], c["rstd"], c.Rows("x"), c.Width("x"), Literal.Float(c.Op<RmsNorm>().Epsilon))),
        CpuKernel.Fused("gather_rms_norm", FusedPatterns.GatherRmsNorm, c =>
            CpuCall.Statement("RmsNorm.GatherForward", c["x"], c["indices"], c["gain"], c["gathered"], c["y"], c["rstd"], c.BatchAndLength("x"), c.Count("indices"), c.Width("x"), Literal.Float(c.Op<RmsNorm>().Epsilon))),
        CpuKernel.Fused("scatter_add_scaled", FusedPatterns.ScatterAddScaled, c =>
            CpuCall.Statement("Rows.ScatterAddScaled", c["x"], c["indices"], c["f"], c["gates"], c["y"], c.BatchAndLength("x"), c.Count("indices"), c.Width("x"))),
    ];

    public static IReadOnlyList<CpuKernel> Backward { get; } =
    [
        CpuKernel.Fused("rms_norm_gradient_add", FusedPatterns.RmsNormGradientAdd, c =>
            CpuCall.Statement("RmsNorm.BackwardAdd", c["dy"], c["x"], c["gain"], c["rstd"], c["residual"], c["dx"], c["dgain"], c.Rows("x"), c.Width("x"))),
        CpuKernel.Fused("gather_scale_gradient", FusedPatterns.GatherScaleGradient, c =>
            CpuCall.Statement("Rows.GatherScaleBackward", c["dy"], c["indices"], c["f"], c["gates"], c["df"], c["dgates"], c.BatchAndLength("dy"), c.Count("indices"), c.Width("dy"))),
        CpuKernel.Fused("scatter_add", FusedPatterns.ScatterAdd, c =>
            CpuCall.Statement("Rows.ScatterAdd", c["y"], c["indices"], c["sum"], c.BatchAndLength("sum"), c.Count("indices"), c.Width("sum"))),
        CpuKernel.Fused("router_gradient", FusedPatterns.RouterGradient, c =>
            CpuCall.Statement("Router.Backward", c["x"], c["weight"], c["dscores"], c["dx"], c["dweight"], c.Rows("x"), c.Width("x"))),
        CpuKernel.Fused("routing_loss_gradient_add", FusedPatterns.RoutingLossGradientAdd, c =>
            CpuCall.Statement("RoutingLoss.Backward", c["logits"], c["indices"], c["dlogits"], Weighted(c), c.ScoresBatchAndLength("logits"), c.Count("indices"))),
    ];

    /// <summary>The loss scale times the constant weight of a loss term.</summary>
    private static string Weighted(CpuCall c) =>
        c.Launch.FindOp<Scale>() is { } scale ? $"{Literal.Float(scale.Factor)} * {c["scale"]}" : c["scale"];
}
