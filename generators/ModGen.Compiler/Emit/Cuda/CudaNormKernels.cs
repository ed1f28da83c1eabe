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
    private const string Apart = "rms_norm_gradient_apart_narrow";

    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.Fused("add_rms_norm", FusedPatterns.AddRmsNorm, AddForward),
        CudaKernel.Fused("gather_rms_norm", FusedPatterns.GatherRmsNorm, GatherForward),
        CudaKernel.For<RmsNorm>("rms_norm",
            n => [Read("x", n.Inputs[0]), Read("gain", n.Inputs[1]), Write("y", n.Outputs[0]), Write("rstd", n.Outputs[1])], Forward),
        CudaKernel.FusedNarrow("rms_norm_gradient_add_narrow", "dx", FusedPatterns.RmsNormGradientAdd, Gradient),
        CudaKernel.Fused("rms_norm_gradient_add", FusedPatterns.RmsNormGradientAdd, Gradient),
        CudaKernel.Fused(Apart, FusedPatterns.RmsNormGradientApart, Gradient),
        CudaKernel.FusedNarrow("rms_norm_gradient_narrow", "dx", Backward, Gradient),
        CudaKernel.Fused("rms_norm_gradient", Backward, Gradient),
    ];

    private static IEnumerable<string> Forward(CudaCall c)
    {
        var width = Literal.Of(c.Width("x"));
        var text = Entry($"rms_norm_{width}", "vectors rms_norm", $"rms_norm_fwd<{width}>(x, gain, y, rstd, rows, epsilon);",
            Pointer("const float", "x", $"(rows, {width})"), Pointer("const float", "gain", $"({width})"),
            Pointer("element", "y", $"(rows, {width})"), Pointer("float", "rstd", "(rows)"), Value("float", "epsilon"), Rows);
        var launch = c.Row(text, "x", c["x"], c["gain"], c["y"], c["rstd"], Literal.Float(c.Op<RmsNorm>().Epsilon));
        return c.Neighbour switch
        {
            null => [launch],
            { Always: true } => [],
            var below => [$"if (!{below.Expression})", "    " + launch],
        };
    }

    private static IEnumerable<string> AddForward(CudaCall c)
    {
        var (width, delta) = (Literal.Of(c.Width("x")), c.Element("a"));
        var text = Entry($"add_rms_norm_{width}{Suffix(delta)}", "vectors rms_norm", $"rms_norm_add_fwd<{width}, {delta}>(x, a, gain, sum, y, rstd, rows, epsilon);",
            Pointer("const float", "x", $"(rows, {width})"), Pointer($"const {delta}", "a", $"(rows, {width})"), Pointer("const float", "gain", $"({width})"),
            Pointer("float", "sum", $"(rows, {width})"), Pointer("element", "y", $"(rows, {width})"), Pointer("float", "rstd", "(rows)"), Value("float", "epsilon"), Rows);
        return c.ByRow(text, "x",
            c["x"], c["a"], c["gain"], c["sum"], c["y"], c["rstd"], Literal.Float(c.Op<RmsNorm>().Epsilon));
    }

    private static IEnumerable<string> GatherForward(CudaCall c)
    {
        var (width, length, selected) = (Literal.Of(c.Width("x")), c.Length("x"), c.Selected("indices"));
        var text = Entry($"gather_rms_norm_{width}{Selection(length, selected)}", "vectors rms_norm", $"rms_norm_gather_fwd<{width}, {length}, {selected}>(x, selected, gain, gathered, y, rstd, rows, epsilon);",
            Pointer("const float", "x", $"(stream rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer("const float", "gain", $"({width})"),
            Pointer("float", "gathered", $"(rows, {width})"), Pointer("element", "y", $"(rows, {width})"), Pointer("float", "rstd", "(rows)"), Value("float", "epsilon"), Rows);
        return c.ByRow(text with { Blocks = BlocksOfFewRows(c.Width("x")) }, "gathered",
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
        var gradient = new NormGradient(c);
        return c.Either("router", () => gradient.LaunchWith("router"), gradient.Launch);
    }

    /// <summary>The forms of the gradient of a norm.</summary>
    private sealed class NormGradient
    {
        private readonly CudaCall _call;
        private readonly List<EntryParameter> _parameters;
        private readonly List<string> _arguments;
        private readonly string _width, _dy, _name, _flags;
        private readonly bool _adds, _narrows;

        public NormGradient(CudaCall c)
        {
            _call = c;
            (_width, _dy, _adds, _narrows) = (Literal.Of(c.Width("x")), c.Element("dy"), c.Has("residual"), c.Has("narrow"));
            var apart = c.Launch.Kernel == Apart;
            _parameters =
            [
                Pointer($"const {_dy}", "dy", $"(rows, {_width})"), Pointer("const float", "x", $"(rows, {_width})"),
                Pointer("const float", "gain", $"({_width})"), Pointer("const float", "rstd", "(rows)"),
            ];
            _arguments = [c["dy"], c["x"], c["gain"], c["rstd"]];
            if (_adds)
            {
                _parameters.Add(Pointer("const float", "residual", $"(rows, {_width})"));
                _arguments.Add(c["residual"]);
            }

            _parameters.Add(Pointer("float", "dx", $"(rows, {_width}){(_adds && !apart ? ", may be residual" : "")}"));
            _arguments.Add(c["dx"]);
            if (_narrows)
            {
                _parameters.Add(Pointer("element", "narrow", $"(rows, {_width}){(apart ? ", with residual" : "")}"));
                _arguments.Add(c["narrow"]);
            }

            _name = $"rms_norm_gradient_{_width}{Suffix(_dy)}{(apart ? "_apart" : _adds ? "_add" : "")}{(_narrows ? "_narrow" : "")}";
            _flags = $"{Flag(_adds)}, {Flag(_narrows)}{(apart ? ", true" : "")}";
        }

        private string Operands => $"dy, x, gain, rstd, {(_adds ? "residual" : "nullptr")}, dx, {(_narrows ? "narrow" : "nullptr")}";

        public string Launch()
        {
            var text = Entry(_name, "vectors rms_norm", $"rms_norm_bwd<{_width}, {_dy}, {_flags}>({Operands}, partials, rows);",
                [.. _parameters, Pointer("float", "partials", $"(blocks, {_width})"), Rows]);
            return _call.ColumnSums(text, "x", _call.Width("x"), [_call["dgain"]], [.. _arguments]);
        }

        /// <summary>With the gradient of the router of the layer below at rows that passed its block by.</summary>
        public string LaunchWith(string router)
        {
            var length = _call.Length("x");
            var text = Entry(
                $"{_name}_router_of_{Literal.Of(length)}", "vectors routing rms_norm rms_norm_routed",
                $"rms_norm_bwd_passing<{_width}, {_dy}, {_flags}, {Literal.Of(length)}>(\n    {Operands}, scores, selected, entered, scale, weight, w, partials, router_partials, rows);",
                [
                    .. _parameters, Pointer("const float", "scores", "(rows)"), Pointer("const int", "selected", "(batch, entered)"), Value("int", "entered"),
                    Pointer("const float", "scale", "(1)"), Value("float", "weight"), Pointer("const float", "w", $"({_width})"),
                    Pointer("float", "partials", $"(blocks, {_width})"), Pointer("float", "router_partials", $"(blocks, {_width})"), Rows,
                ]);
            return _call.ColumnSums(
                text, "x", _call.Width("x"), [_call["dgain"], $"{router}.Gradient"],
                [.. _arguments, $"{router}.Scores", $"{router}.Selected", $"{router}.Entered", "Scale", $"{router}.LossWeight", $"{router}.Weights"]);
        }
    }
}
