using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>RMSNorm, alone or with the addition or the gather before it, and its gradient.</summary>
internal static class CudaNormKernels
{
    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.Fused("add_rms_norm", FusedPatterns.AddRmsNorm, AddForward),
        CudaKernel.Fused("gather_rms_norm", FusedPatterns.GatherRmsNorm, GatherForward),
        CudaKernel.For<RmsNorm>("rms_norm",
            n => [Read("x", n.Inputs[0]), Read("gain", n.Inputs[1]), Write("y", n.Outputs[0]), Write("rstd", n.Outputs[1])], Forward),
        CudaKernel.FusedNarrow("rms_norm_gradient_add_narrow", "dx", FusedPatterns.RmsNormGradientAdd, Gradient),
        CudaKernel.Fused("rms_norm_gradient_add", FusedPatterns.RmsNormGradientAdd, Gradient),
        CudaKernel.Fused("rms_norm_gradient_apart_narrow", FusedPatterns.RmsNormGradientApart, Gradient),
        CudaKernel.FusedNarrow("rms_norm_gradient_narrow", "dx", Backward, Gradient),
        CudaKernel.Fused("rms_norm_gradient", Backward, Gradient),
    ];

    private static IEnumerable<string> Forward(CudaCall c)
    {
        var width = Literal.Of(c.Width("x"));
        var text = Entry($"rms_norm_{width}", "rms_norm", $"rms_norm_fwd<{width}>(x, gain, y, rstd, rows, epsilon);",
            Pointer("const float", "x", $"(rows, {width})"), Pointer("const float", "gain", $"({width})"),
            Pointer("element", "y", $"(rows, {width})"), Pointer("float", "rstd", "(rows)"), Value("float", "epsilon"), Rows);
        return c.ByRow(text, "x",
            c["x"], c["gain"], c["y"], c["rstd"], Literal.Float(c.Op<RmsNorm>().Epsilon));
    }

    private static IEnumerable<string> AddForward(CudaCall c)
    {
        var (width, delta) = (Literal.Of(c.Width("x")), c.Element("a"));
        var text = Entry($"add_rms_norm_{width}{Suffix(delta)}", "rms_norm", $"rms_norm_add_fwd<{width}, {delta}>(x, a, gain, sum, y, rstd, rows, epsilon);",
            Pointer("const float", "x", $"(rows, {width})"), Pointer($"const {delta}", "a", $"(rows, {width})"), Pointer("const float", "gain", $"({width})"),
            Pointer("float", "sum", $"(rows, {width})"), Pointer("element", "y", $"(rows, {width})"), Pointer("float", "rstd", "(rows)"), Value("float", "epsilon"), Rows);
        return c.ByRow(text, "x",
            c["x"], c["a"], c["gain"], c["sum"], c["y"], c["rstd"], Literal.Float(c.Op<RmsNorm>().Epsilon));
    }

    private static IEnumerable<string> GatherForward(CudaCall c)
    {
        var (width, length, selected) = (Literal.Of(c.Width("x")), c.Length("x"), c.Selected("indices"));
        var text = Entry($"gather_rms_norm_{width}{Selection(length, selected)}", "rms_norm", $"rms_norm_gather_fwd<{width}, {length}, {selected}>(x, selected, gain, gathered, y, rstd, rows, epsilon);",
            Pointer("const float", "x", $"(stream rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer("const float", "gain", $"({width})"),
            Pointer("float", "gathered", $"(rows, {width})"), Pointer("element", "y", $"(rows, {width})"), Pointer("float", "rstd", "(rows)"), Value("float", "epsilon"), Rows);
        return c.ByRow(text, "gathered",
            c["x"], c["indices"], c["gain"], c["gathered"], c["y"], c["rstd"], Literal.Float(c.Op<RmsNorm>().Epsilon));
    }

    private static KernelMatch? Backward(Matcher m, Node node) =>
        node.Op is RmsNormGradient
            ? new KernelMatch(
                [node],
                [Read("dy", node.Inputs[0]), Read("x", node.Inputs[1]), Read("gain", node.Inputs[2]), Read("rstd", node.Inputs[3]), Write("dx", node.Outputs[0]), Write("dgain", node.Outputs[1])])
            : null;

    private static IEnumerable<string> Gradient(CudaCall c)
    {
        var (width, dy, adds, narrows) = (c.Width("x"), c.Element("dy"), c.Has("residual"), c.Has("narrow"));
        var apart = c.Launch.Kernel == "rms_norm_gradient_apart_narrow";
        List<EntryParameter> parameters =
        [
            Pointer($"const {dy}", "dy", $"(rows, {Literal.Of(width)})"), Pointer("const float", "x", $"(rows, {Literal.Of(width)})"),
            Pointer("const float", "gain", $"({Literal.Of(width)})"), Pointer("const float", "rstd", "(rows)"),
        ];
        List<string> arguments = [c["dy"], c["x"], c["gain"], c["rstd"]];
        if (adds)
        {
            parameters.Add(Pointer("const float", "residual", $"(rows, {Literal.Of(width)})"));
            arguments.Add(c["residual"]);
        }

        parameters.Add(Pointer("float", "dx", $"(rows, {Literal.Of(width)}){(adds && !apart ? ", may be residual" : "")}"));
        arguments.Add(c["dx"]);
        if (narrows)
        {
            parameters.Add(Pointer("element", "narrow", $"(rows, {Literal.Of(width)}){(apart ? ", with residual" : "")}"));
            arguments.Add(c["narrow"]);
        }

        parameters.Add(Pointer("float", "partials", $"(blocks, {Literal.Of(width)})"));
        parameters.Add(Rows);
        var name = $"rms_norm_gradient_{Literal.Of(width)}{Suffix(dy)}{(apart ? "_apart" : adds ? "_add" : "")}{(narrows ? "_narrow" : "")}";
        var body = $"rms_norm_bwd<{Literal.Of(width)}, {dy}, {Flag(adds)}, {Flag(narrows)}{(apart ? ", true" : "")}>(dy, x, gain, rstd, {(adds ? "residual" : "nullptr")}, dx, {(narrows ? "narrow" : "nullptr")}, partials, rows);";
        var text = Entry(name, "rms_norm", body, [.. parameters]);
        return c.WithColumnSums(text, "x", width, c["dgain"], [.. arguments]);
    }
}
