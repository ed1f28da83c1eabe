using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.CSharp;

/// <summary>Kernels of the CPU that stand for several nodes.</summary>
internal static class CpuFusedKernels
{
    public static IReadOnlyList<CpuKernel> Forward { get; } =
    [
        // The head, its loss and their gradients in chunks of rows: the logits of a batch never exist as a whole.
        CpuKernel.Fused("head_loss_gradient", HeadLossGradient, c =>
            [$"var crossEntropy = {CpuCall.Kernel("CrossEntropyHead.ForwardBackward", c["x"], c["weight"], c["targets"], c["scale"], c["dx"], c["dweight"], c.Rows("x"), c.Width("x"), Literal.Of(c.Type("weight").Extents[0]))};"]),
        CpuKernel.Fused("head_loss", HeadLoss, c =>
            [$"var crossEntropy = {CpuCall.Kernel("CrossEntropyHead.Forward", c["x"], c["weight"], c["targets"], c.Rows("x"), c.Width("x"), Literal.Of(c.Type("weight").Extents[0]))};"]),
        CpuKernel.Fused("linear_add", LinearAdd, c =>
            CpuCall.Statement("Linear.ForwardAdd", c["x"], c["weight"], c["residual"], c["y"], c.Rows("x"), c.Width("x"), c.Width("y"))),
        CpuKernel.Fused("add_rms_norm", AddRmsNorm, c =>
            CpuCall.Statement("RmsNorm.AddForward", c["x"], c["a"], c["gain"], c["sum"], c["y"], c["rstd"], c.Rows("x"), c.Width("x"), Literal.Float(c.Op<RmsNorm>().Epsilon))),
        CpuKernel.Fused("gather_rms_norm", GatherRmsNorm, c =>
            CpuCall.Statement("RmsNorm.GatherForward", c["x"], c["indices"], c["gain"], c["gathered"], c["y"], c["rstd"], c.BatchAndLength("x"), c.Count("indices"), c.Width("x"), Literal.Float(c.Op<RmsNorm>().Epsilon))),
        CpuKernel.Fused("scatter_add_scaled", ScatterAddScaled, c =>
            CpuCall.Statement("Rows.ScatterAddScaled", c["x"], c["indices"], c["f"], c["gates"], c["y"], c.BatchAndLength("x"), c.Count("indices"), c.Width("x"))),
    ];

    public static IReadOnlyList<CpuKernel> Backward { get; } =
    [
        CpuKernel.Fused("rms_norm_gradient_add", RmsNormGradientAdd, c =>
            CpuCall.Statement("RmsNorm.BackwardAdd", c["dy"], c["x"], c["gain"], c["rstd"], c["residual"], c["dx"], c["dgain"], c.Rows("x"), c.Width("x"))),
        CpuKernel.Fused("gather_scale_gradient", GatherScaleGradient, c =>
            CpuCall.Statement("Rows.GatherScaleBackward", c["dy"], c["indices"], c["f"], c["gates"], c["df"], c["dgates"], c.BatchAndLength("dy"), c.Count("indices"), c.Width("dy"))),
        CpuKernel.Fused("scatter_add", ScatterAdd, c =>
            CpuCall.Statement("Rows.ScatterAdd", c["y"], c["indices"], c["sum"], c.BatchAndLength("sum"), c.Count("indices"), c.Width("sum"))),
        CpuKernel.Fused("router_gradient", RouterGradient, c =>
            CpuCall.Statement("Router.Backward", c["x"], c["weight"], c["dscores"], c["dx"], c["dweight"], c.Rows("x"), c.Width("x"))),
        CpuKernel.Fused("routing_loss_gradient_add", RoutingLossGradientAdd, c =>
            CpuCall.Statement("RoutingLoss.Backward", c["logits"], c["indices"], c["dlogits"], Weighted(c), c.ScoresBatchAndLength("logits"), c.Count("indices"))),
    ];

    /// <summary>The loss scale times the constant weight of a loss term.</summary>
    private static string Weighted(CpuCall c) =>
        c.Launch.FindOp<Scale>() is { } scale ? $"{Literal.Float(scale.Factor)} * {c["scale"]}" : c["scale"];

    private static KernelMatch? HeadLossGradient(Matcher m, Node node)
    {
        if (node.Op is not LinearWeightGradient || m.Producer<CrossEntropyGradient>(node.Inputs[1]) is not { } gradient
            || m.Producer<Linear>(gradient.Inputs[0]) is not { } linear || m.Use<CrossEntropy>(linear.Output) is not { } loss
            || m.Use<LinearInputGradient>(gradient.Output) is not { } input)
            return null;
        if (linear.Inputs.Count != 2 || !m.OnlyFeeds(linear.Output, loss, gradient) || !m.OnlyFeeds(gradient.Output, input, node))
            return null;
        return new KernelMatch(
            [linear, loss, gradient, input, node],
            [
                Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Read("targets", loss.Inputs[1]), Read("scale", gradient.Inputs[2]),
                Write("loss", loss.Output), Write("dx", input.Output), Write("dweight", node.Output),
            ]);
    }

    private static KernelMatch? HeadLoss(Matcher m, Node node) =>
        node.Op is CrossEntropy && m.SoleProducer<Linear>(node.Inputs[0]) is { Inputs.Count: 2 } linear
            ? new KernelMatch(
                [linear, node],
                [Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Read("targets", node.Inputs[1]), Write("loss", node.Output)])
            : null;

    private static KernelMatch? LinearAdd(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<Linear>(node.Inputs[1]) is not { Inputs.Count: 2 } linear)
            return null;
        var residual = node.Inputs[0];
        return new KernelMatch(
            [linear, node],
            [Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Read("residual", residual), Write("y", node.Output, inPlaceOf: residual)]);
    }

    private static KernelMatch? AddRmsNorm(Matcher m, Node node) =>
        node.Op is RmsNorm && m.Producer<Add>(node.Inputs[0]) is { } add
            ? new KernelMatch(
                [add, node],
                [
                    Read("x", add.Inputs[0]), Read("a", add.Inputs[1]), Read("gain", node.Inputs[1]),
                    Write("sum", add.Output), Write("y", node.Outputs[0]), Write("rstd", node.Outputs[1]),
                ])
            : null;

    private static KernelMatch? GatherRmsNorm(Matcher m, Node node) =>
        node.Op is RmsNorm && m.Producer<GatherRows>(node.Inputs[0]) is { } gather
            ? new KernelMatch(
                [gather, node],
                [
                    Read("x", gather.Inputs[0]), Read("indices", gather.Inputs[1]), Read("gain", node.Inputs[1]),
                    Write("gathered", gather.Output), Write("y", node.Outputs[0]), Write("rstd", node.Outputs[1]),
                ])
            : null;

    private static KernelMatch? ScatterAddScaled(Matcher m, Node node) =>
        node.Op is ScatterAddRows && m.SoleProducer<ScaleRows>(node.Inputs[2]) is { } scale
            ? new KernelMatch(
                [scale, node],
                [
                    Read("x", node.Inputs[0]), Read("indices", node.Inputs[1]), Read("f", scale.Inputs[0]), Read("gates", scale.Inputs[1]),
                    Write("y", node.Output, inPlaceOf: node.Inputs[0]),
                ])
            : null;

    private static KernelMatch? RmsNormGradientAdd(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<RmsNormGradient>(node.Inputs[1]) is not { } norm || norm.Output != node.Inputs[1])
            return null;
        var residual = node.Inputs[0];
        return new KernelMatch(
            [norm, node],
            [
                Read("dy", norm.Inputs[0]), Read("x", norm.Inputs[1]), Read("gain", norm.Inputs[2]), Read("rstd", norm.Inputs[3]), Read("residual", residual),
                Write("dx", node.Output, inPlaceOf: residual), Write("dgain", norm.Outputs[1]),
            ]);
    }

    private static KernelMatch? GatherScaleGradient(Matcher m, Node node)
    {
        if (node.Op is not RowDot || m.Producer<GatherRows>(node.Inputs[0]) is not { } gather || m.Use<ScaleRows>(gather.Output) is not { } scale)
            return null;
        if (!m.OnlyFeeds(gather.Output, node, scale))
            return null;
        return new KernelMatch(
            [gather, scale, node],
            [
                Read("dy", gather.Inputs[0]), Read("indices", gather.Inputs[1]), Read("f", node.Inputs[1]), Read("gates", scale.Inputs[1]),
                Write("df", scale.Output), Write("dgates", node.Output),
            ]);
    }

    private static KernelMatch? ScatterAdd(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<ScatterRows>(node.Inputs[1]) is not { } scatter)
            return null;
        return new KernelMatch(
            [scatter, node],
            [Read("y", scatter.Inputs[0]), Read("indices", scatter.Inputs[1]), Read("into", node.Inputs[0]), Overwrite("sum", node.Output, over: node.Inputs[0])]);
    }

    private static KernelMatch? RouterGradient(Matcher m, Node node)
    {
        if (node.Op is not RouterWeightGradient)
            return null;
        var input = m.Uses(node.Inputs[1]).FirstOrDefault(n => n.Op is RouterInputGradient);
        if (input is null || m.Use<Add>(input.Output) is not { } add || add.Inputs[1] != input.Output || !m.OnlyFeeds(input.Output, add))
            return null;
        return new KernelMatch(
            [input, add, node],
            [
                Read("x", node.Inputs[0]), Read("weight", input.Inputs[1]), Read("dscores", node.Inputs[1]), Read("into", add.Inputs[0]),
                Overwrite("dx", add.Output, over: add.Inputs[0]), Write("dweight", node.Output),
            ]);
    }

    private static KernelMatch? RoutingLossGradientAdd(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<RoutingLossGradient>(node.Inputs[1]) is not { } gradient)
            return null;
        var scale = m.SoleProducer<Scale>(gradient.Inputs[2]);
        List<Node> nodes = [gradient, node];
        if (scale is not null)
            nodes.Add(scale);
        return new KernelMatch(
            nodes,
            [
                Read("logits", gradient.Inputs[0]), Read("indices", gradient.Inputs[1]), Read("scale", scale?.Inputs[0] ?? gradient.Inputs[2]),
                Read("into", node.Inputs[0]), Overwrite("dlogits", node.Output, over: node.Inputs[0]),
            ]);
    }
}
