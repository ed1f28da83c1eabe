using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Planning;

/// <summary>The groups of nodes that back ends like to run as one kernel, and the roles of their operands. A back end's table takes those that it has.</summary>
internal static class FusedPatterns
{
    public static KernelMatch? HeadLossGradient(Matcher m, Node node)
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

    public static KernelMatch? HeadLoss(Matcher m, Node node) =>
        node.Op is CrossEntropy && m.SoleProducer<Linear>(node.Inputs[0]) is { Inputs.Count: 2 } linear
            ? new KernelMatch(
                [linear, node],
                [Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Read("targets", node.Inputs[1]), Write("loss", node.Output)])
            : null;

    public static KernelMatch? LinearAdd(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<Linear>(node.Inputs[1]) is not { Inputs.Count: 2 } linear)
            return null;
        var residual = node.Inputs[0];
        return new KernelMatch(
            [linear, node],
            [Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Read("residual", residual), Write("y", node.Output, inPlaceOf: residual)]);
    }

    /// <summary>A product of two branches and SwiGLU of them; the branches stay, for the backward pass.</summary>
    public static KernelMatch? LinearSwiGlu(Matcher m, Node node) =>
        node.Op is SwiGlu && m.Producer<Linear>(node.Inputs[0]) is { Inputs.Count: 2 } linear
            ? new KernelMatch(
                [linear, node],
                [Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Write("branches", linear.Output), Write("y", node.Output)])
            : null;

    /// <summary>The gradient of SwiGLU's branches, straight from that of the layer behind it.</summary>
    public static KernelMatch? SwiGluInputGradient(Matcher m, Node node) =>
        node.Op is SwiGluGradient && m.SoleProducer<LinearInputGradient>(node.Inputs[1]) is { } input
            ? new KernelMatch(
                [input, node],
                [Read("dy", input.Inputs[0]), Read("weight", input.Inputs[1]), Read("branches", node.Inputs[0]), Write("dx", node.Output, inPlaceOf: node.Inputs[0])])
            : null;

    public static KernelMatch? LinearRotary(Matcher m, Node node) =>
        node.Op is Rotary && m.SoleProducer<Linear>(node.Inputs[0]) is { Inputs.Count: 2 } linear
            ? new KernelMatch(
                [linear, node],
                [Read("x", linear.Inputs[0]), Read("weight", linear.Inputs[1]), Read("positions", node.Inputs[1]), Write("y", node.Output)])
            : null;

    /// <summary>The gradient of attention, with those of queries and keys taken back behind their rotation.</summary>
    public static KernelMatch? AttentionRotaryGradient(Matcher m, Node node)
    {
        if (node.Op is not RotaryGradient rotary || m.SoleProducer<CausalAttentionGradient>(node.Inputs[0]) is not { Op: CausalAttentionGradient attention } gradient
            || rotary.Heads != attention.Heads + attention.KeyValueHeads || rotary.HeadWidth != attention.HeadWidth)
            return null;
        return new KernelMatch(
            [gradient, node],
            [
                Read("qkv", gradient.Inputs[0]), Read("o", gradient.Inputs[1]), Read("lse", gradient.Inputs[2]), Read("doutput", gradient.Inputs[3]),
                Read("positions", node.Inputs[1]), Write("dqkv", node.Output),
            ]);
    }

    public static KernelMatch? AddRmsNorm(Matcher m, Node node) =>
        node.Op is RmsNorm && m.Producer<Add>(node.Inputs[0]) is { } add
            ? new KernelMatch(
                [add, node],
                [
                    Read("x", add.Inputs[0]), Read("a", add.Inputs[1]), Read("gain", node.Inputs[1]),
                    Write("sum", add.Output), Write("y", node.Outputs[0]), Write("rstd", node.Outputs[1]),
                ])
            : null;

    public static KernelMatch? GatherRmsNorm(Matcher m, Node node) =>
        node.Op is RmsNorm && m.Producer<GatherRows>(node.Inputs[0]) is { } gather
            ? new KernelMatch(
                [gather, node],
                [
                    Read("x", gather.Inputs[0]), Read("indices", gather.Inputs[1]), Read("gain", node.Inputs[1]),
                    Write("gathered", gather.Output), Write("y", node.Outputs[0]), Write("rstd", node.Outputs[1]),
                ])
            : null;

    public static KernelMatch? ScatterAddScaled(Matcher m, Node node) =>
        node.Op is ScatterAddRows && m.SoleProducer<ScaleRows>(node.Inputs[2]) is { } scale
            ? new KernelMatch(
                [scale, node],
                [
                    Read("x", node.Inputs[0]), Read("indices", node.Inputs[1]), Read("f", scale.Inputs[0]), Read("gates", scale.Inputs[1]),
                    Write("y", node.Output, inPlaceOf: node.Inputs[0]),
                ])
            : null;

    public static KernelMatch? RmsNormGradientAdd(Matcher m, Node node)
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

    /// <summary>The gradient of a norm, which stays, and the rounding of its sum with another gradient, which alone is read of that.</summary>
    public static KernelMatch? RmsNormGradientApart(Matcher m, Node node)
    {
        if (node.Op is not Add || m.Producer<Ops.RmsNormGradient>(node.Inputs[1]) is not { } norm || norm.Output != node.Inputs[1])
            return null;
        if (m.Use<Narrow>(node.Output) is not { } narrow || !m.OnlyFeeds(node.Output, narrow))
            return null;
        return new KernelMatch(
            [norm, node, narrow],
            [
                Read("dy", norm.Inputs[0]), Read("x", norm.Inputs[1]), Read("gain", norm.Inputs[2]), Read("rstd", norm.Inputs[3]), Read("residual", node.Inputs[0]),
                Write("dx", norm.Output), Write("dgain", norm.Outputs[1]), Write("narrow", narrow.Output),
            ]);
    }

    public static KernelMatch? GatherScaleGradient(Matcher m, Node node)
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

    public static KernelMatch? ScatterAdd(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<ScatterRows>(node.Inputs[1]) is not { } scatter)
            return null;
        return new KernelMatch(
            [scatter, node],
            [Read("y", scatter.Inputs[0]), Read("indices", scatter.Inputs[1]), Read("into", node.Inputs[0]), Overwrite("sum", node.Output, over: node.Inputs[0])]);
    }

    public static KernelMatch? RouterScoresNarrow(Matcher m, Node node) =>
        node.Op is RouterScores && m.Use<Narrow>(node.Inputs[0]) is { } narrow
            ? new KernelMatch([narrow, node], [Read("x", node.Inputs[0]), Read("weight", node.Inputs[1]), Write("scores", node.Output), Write("narrow", narrow.Output)])
            : null;

    public static KernelMatch? RouterGradient(Matcher m, Node node)
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

    /// <summary>The end of a routed block's backward pass where it touches the rows that entered alone: their first norm's gradient and their router's.</summary>
    public static KernelMatch? EnteredGradient(Matcher m, Node node)
    {
        if (node.Op is not RouterWeightGradient || m.Producer<EnteredScoresGradient>(node.Inputs[1]) is not { } scores)
            return null;
        if (m.Use<RouterInputGradient>(scores.Output) is not { } input || m.Use<Add>(input.Output) is not { } both || m.Use<ScatterRows>(both.Output) is not { } scatter)
            return null;
        if (m.SoleProducer<Add>(both.Inputs[0]) is not { } sum || m.SoleProducer<Ops.RmsNormGradient>(sum.Inputs[1]) is not { } norm || norm.Inputs[1] != node.Inputs[0])
            return null;
        if (m.Use<Add>(scatter.Output) is not { } last || !m.OnlyFeeds(scatter.Output, last))
            return null;
        var scale = scores.Inputs.Count == 3 ? null : m.SoleProducer<Scale>(scores.Inputs[4]);
        List<Node> nodes = [norm, sum, scores, input, both, scatter, last, node];
        List<Operand> operands =
        [
            Read("dy", norm.Inputs[0]), Read("x", norm.Inputs[1]), Read("gain", norm.Inputs[2]), Read("rstd", norm.Inputs[3]), Read("residual", sum.Inputs[0]),
            Read("indices", scatter.Inputs[1]), Read("gates", scores.Inputs[0]), Read("dgates", scores.Inputs[1]), Read("weight", input.Inputs[1]), Read("into", last.Inputs[0]),
            Overwrite("dx", last.Output, over: last.Inputs[0]), Write("dgain", norm.Outputs[1]), Write("dweight", node.Output),
        ];
        if (scores.Inputs.Count > 3)
            operands.AddRange([Read("scores", scores.Inputs[3]), Read("scale", scale?.Inputs[0] ?? scores.Inputs[4])]);
        if (scale is not null)
            nodes.Add(scale);
        if (m.Use<NarrowRows>(last.Output) is { } narrow)
        {
            nodes.Add(narrow);
            operands.AddRange([Read("narrowInto", narrow.Inputs[1]), Overwrite("narrow", narrow.Output, over: narrow.Inputs[1])]);
        }

        return new KernelMatch(nodes, operands);
    }

    /// <summary>The gradient of scores that both gate their block and have a loss of their own.</summary>
    public static KernelMatch? ScoresGradient(Matcher m, Node node)
    {
        if (node.Op is not Add || m.SoleProducer<Ops.RoutingLossGradient>(node.Inputs[1]) is not { } loss || m.SoleProducer<GateGradient>(node.Inputs[0]) is not { } gate)
            return null;
        if (loss.Inputs[1] != gate.Inputs[2])
            return null;
        var scale = m.SoleProducer<Scale>(loss.Inputs[2]);
        return new KernelMatch(
            scale is null ? [gate, loss, node] : [gate, scale, loss, node],
            [
                Read("gates", gate.Inputs[0]), Read("dgates", gate.Inputs[1]), Read("logits", loss.Inputs[0]), Read("indices", loss.Inputs[1]),
                Read("scale", scale?.Inputs[0] ?? loss.Inputs[2]), Write("dscores", node.Output),
            ]);
    }

    public static KernelMatch? RoutingLossGradientAdd(Matcher m, Node node)
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

    /// <summary>The gradient of a loss term where nothing else has written the logits' gradient yet.</summary>
    public static KernelMatch? RoutingLossGradient(Matcher m, Node node)
    {
        if (node.Op is not Ops.RoutingLossGradient)
            return null;
        var scale = m.SoleProducer<Scale>(node.Inputs[2]);
        return new KernelMatch(
            scale is null ? [node] : [scale, node],
            [Read("logits", node.Inputs[0]), Read("indices", node.Inputs[1]), Read("scale", scale?.Inputs[0] ?? node.Inputs[2]), Write("dlogits", node.Output)]);
    }
}
