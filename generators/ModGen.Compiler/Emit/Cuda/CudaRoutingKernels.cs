using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Routers, selections, gates, their losses, and the rows that they move.</summary>
internal static class CudaRoutingKernels
{
    private const string Routed = "vectors routing rms_norm rms_norm_routed";

    public static IReadOnlyList<CudaKernel> Fused { get; } =
    [
        CudaKernel.Fused("entered_gradient", FusedPatterns.EnteredGradient, EnteredGradient),
        CudaKernel.Fused("scatter_add_scaled", FusedPatterns.ScatterAddScaled, ScatterForward),
        CudaKernel.FusedNarrow("gather_scale_gradient_narrow", "df", FusedPatterns.GatherScaleGradient, GatherScaleGradient),
        CudaKernel.Fused("gather_scale_gradient", FusedPatterns.GatherScaleGradient, GatherScaleGradient),
        CudaKernel.Fused("scatter_add", FusedPatterns.ScatterAdd, ScatterAdd),
        CudaKernel.FusedNarrow("router_gradient_narrow", "dx", FusedPatterns.RouterGradient, RouterGradient),
        CudaKernel.Fused("router_gradient", FusedPatterns.RouterGradient, RouterGradient),
        CudaKernel.Fused("scores_gradient", FusedPatterns.ScoresGradient, ScoresGradient),
        CudaKernel.Fused("routing_loss_gradient_add", FusedPatterns.RoutingLossGradientAdd, c => LossGradient(c, adds: true)),
        CudaKernel.Fused("routing_loss_gradient", FusedPatterns.RoutingLossGradient, c => LossGradient(c, adds: false)),
    ];

    /// <summary>What only training has: a stream that a predictor reads too.</summary>
    public static IReadOnlyList<CudaKernel> Training { get; } = [CudaKernel.Fused("router_scores_narrow", FusedPatterns.RouterScoresNarrow, Scores)];

    public static IReadOnlyList<CudaKernel> Single { get; } =
    [
        CudaKernel.For<RouterScores>("router_scores", n => [Read("x", n.Inputs[0]), Read("weight", n.Inputs[1]), Write("scores", n.Output)], Scores),
        CudaKernel.For<RandomScores>("random_scores", n => [Read("positions", n.Inputs[0]), Write("scores", n.Output)], RandomScores),
        CudaKernel.For<TopK>("top_k", n => [Read("scores", n.Inputs[0]), Write("indices", n.Output)], TopKForward),
        CudaKernel.For<CausalSelect>("causal_select",
            n => [Read("logits", n.Inputs[0]), Provide("indices", n.Outputs[0]), Provide("positions", n.Outputs[1]), Provide("sequences", n.Outputs[2])], CausalSelect),
        CudaKernel.For<Gate>("gate", n => [Read("scores", n.Inputs[0]), Read("indices", n.Inputs[1]), Write("gates", n.Output)], c =>
        {
            var (kind, length, selected) = (c.Op<Gate>().Kind, c.Samples ? 0 : c.Type("scores").Extents[0], c.Selected("indices"));
            return c.Scalars(Forwarding($"gates_{kind.ToString().ToLowerInvariant()}{Selection(length, selected)}", "vectors routing", $"gates<Gate::{kind}, {length}, {selected}>",
                Pointer("const float", "scores", "(stream rows)"), Pointer("const int", "selected", "(rows)"), Pointer("float", "gate", "(rows)"), Rows), "gates", c["scores"], c["indices"], c["gates"]);
        }),
        CudaKernel.For<GateGradient>("gate_gradient",
            n => [Read("gates", n.Inputs[0]), Read("dgates", n.Inputs[1]), Read("indices", n.Inputs[2]), Write("dscores", n.Output)], c =>
        {
            var (kind, length, selected) = (c.Op<GateGradient>().Kind, c.Type("dscores").Extents[0], c.Selected("indices"));
            return c.Scalars(Forwarding($"gates_{kind.ToString().ToLowerInvariant()}_gradient{Selection(length, selected)}", "vectors routing", $"gate_bwd<Gate::{kind}, {length}, {selected}>",
                Pointer("const float", "gate", "(selected rows)"), Pointer("const float", "d_gate", "(selected rows)"), Pointer("const int", "selected", "(selected rows)"),
                Pointer("float", "d_scores", "(rows)"), Rows), "dscores", c["gates"], c["dgates"], c["indices"], c["dscores"]);
        }),
        CudaKernel.For<RoutingLoss>("routing_loss", n => [Read("logits", n.Inputs[0]), Read("indices", n.Inputs[1]), Write("loss", n.Output)], c =>
        {
            var (length, selected) = (c.Type("logits").Extents[0], c.Selected("indices"));
            return c.WithTotal(Forwarding($"routing_loss{Selection(length, selected)}", "vectors routing", $"routing_loss<{length}, {selected}>",
                Pointer("const float", "logits", "(rows)"), Pointer("const int", "selected", "(selected rows)"), Pointer("float", "partials", "(blocks)"), Rows), "logits", c["loss"], c["logits"], c["indices"]);
        }),
        CudaKernel.For<GatherRows>("gather", n => [Read("x", n.Inputs[0]), Read("indices", n.Inputs[1]), Write("y", n.Output)], c =>
        {
            var (width, length, selected, element) = (Literal.Of(c.Width("x")), c.Length("x"), c.Selected("indices"), c.Element("x"));
            return c.ByRow(Forwarding($"gather_{width}{Selection(length, selected)}{Suffix(element)}", "vectors rows", $"gather_rows<{width}, {length}, {selected}, {element}>",
                Pointer($"const {element}", "x", $"(stream rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer(element, "y", $"(rows, {width})"), Rows), "y", c["x"], c["indices"], c["y"]);
        }),
        CudaKernel.For<NarrowRows>("narrow_rows", n => [Read("x", n.Inputs[0]), Read("into", n.Inputs[1]), Read("indices", n.Inputs[2]), Overwrite("y", n.Output, over: n.Inputs[1])], c =>
        {
            var (width, length, selected) = (Literal.Of(c.Width("x")), c.Length("x"), c.Selected("indices"));
            var text = Forwarding($"narrow_rows_{width}{Selection(length, selected)}", "vectors rows", $"narrow_rows<{width}, {length}, {selected}>",
                Pointer("const float", "x", $"(stream rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer("element", "y", $"(stream rows, {width})"), Rows);
            return [c.Statement(text, $"Blocks({c.MostElements("indices")}, 8)", c["x"], c["indices"], c["y"], c.Elements("indices"))]; // an index is a row
        }),
        CudaKernel.For<ScatterAddRows>("scatter_add_rows",
            n => [Read("x", n.Inputs[0]), Read("indices", n.Inputs[1]), Read("f", n.Inputs[2]), Write("y", n.Output, inPlaceOf: n.Inputs[0])], ScatterForward),
    ];

    /// <summary>A score a row; with it, the rows as operands, and the first norm of the layer above.</summary>
    private static IEnumerable<string> Scores(CudaCall c)
    {
        var (width, narrows) = (Literal.Of(c.Width("x")), c.Has("narrow"));
        EntryParameter[] parameters = [Pointer("const float", "x", $"(rows, {width})"), Pointer("const float", "w", $"({width})"), Pointer("float", "scores", "(rows)")];
        string[] arguments = [c["x"], c["weight"], c["scores"]];
        EntryParameter[] narrow = narrows ? [Pointer("element", "narrow", $"(rows, {width})")] : [];
        string[] narrowArgument = narrows ? [c["narrow"]] : [];
        var (suffix, sizes, more) = narrows ? ("_narrow", $"{width}, true", ", narrow") : ("", width, "");
        return c.Either(
            "above",
            () => c.Row(Entry($"router_scores_norm_{width}{suffix}", Routed, $"router_scores_norm<{sizes}>(x, w, scores, gain, normed, rstd, rows, epsilon{more});",
                [.. parameters, .. narrow, .. NormAbove(width, "rows")]), "x", [.. arguments, .. narrowArgument, .. NormAboveArguments(c)]),
            () => c.Row(Entry($"router_scores_{width}{suffix}", "vectors routing", $"router_scores<{sizes}>(x, w, scores, rows{more});", [.. parameters, .. narrow, Rows]), "x", [.. arguments, .. narrowArgument]));
    }

    /// <summary>x with gate · f added at the selected rows: in place only those are touched, else the whole stream moves on.</summary>
    private static IEnumerable<string> ScatterForward(CudaCall c)
    {
        var (width, length, selected, f) = (Literal.Of(c.Width("x")), c.Length("x"), c.Selected("indices"), c.Element("f"));
        var (scaled, inPlace) = (c.Has("gates"), c.Same("x", "y"));
        List<EntryParameter> parameters = [Pointer("const int", "selected", "(selected rows)"), Pointer($"const {f}", "f", $"(selected rows, {width})")];
        List<string> arguments = [c["indices"], c["f"]];
        if (scaled)
        {
            parameters.Add(Pointer("const float", "gate", "(selected rows)"));
            arguments.Add(c["gates"]);
        }

        var (sizes, gate) = ($"{width}, {length}, {selected}, {f}, {Flag(scaled)}", scaled ? "gate" : "nullptr");
        var name = $"scatter_{width}{Selection(length, selected)}{Suffix(f)}{(scaled ? "_scaled" : "")}";
        var shape = $"(stream rows, {width})";
        return c.Either(
            "above",
            () => c.Row(Entry($"{name}_norm", Routed, $"scatter_add_norm<{sizes}>(x, selected, f, {gate}, gain, normed, rstd, rows, epsilon);",
                [Pointer("float", "x", shape + ", added to"), .. parameters, .. NormAbove(width, "stream rows")]), "f", [c["x"], .. arguments, .. NormAboveArguments(c)]),
            () => c.Row(Entry(name + (inPlace ? "_in_place" : ""), "vectors rows", $"scatter_add_scaled<{sizes}, {Flag(inPlace)}>(x, selected, f, {gate}, y, rows);",
                [Pointer("const float", "x", shape), .. parameters, Pointer("float", "y", shape + (inPlace ? ", the same as x" : "")), Rows]) with { Blocks = inPlace ? BlocksOfFewRows(c.Width("x")) : 1 }, inPlace ? "f" : "x", [c["x"], .. arguments, c["y"]]),
            declares: false); // the scores have
    }

    /// <summary>What a kernel takes that also makes the first norm of the layer above.</summary>
    private static EntryParameter[] NormAbove(string width, string rows) =>
        [Pointer("const float", "gain", $"({width})"), Pointer("element", "normed", $"({rows}, {width})"), Pointer("float", "rstd", $"({rows})"), Value("float", "epsilon"), Rows];

    private static string[] NormAboveArguments(CudaCall c) => ["above.Gain", "above.Normed", "above.Rstd", Literal.Float(c.Neighbour!.Epsilon)];

    private static IEnumerable<string> GatherScaleGradient(CudaCall c)
    {
        var (width, length, selected, f, narrows) = (Literal.Of(c.Width("dy")), c.Length("dy"), c.Selected("indices"), c.Element("f"), c.Has("narrow"));
        List<EntryParameter> parameters =
        [
            Pointer("const float", "dy", $"(stream rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer($"const {f}", "f", $"(rows, {width})"),
            Pointer("const float", "gate", "(rows)"), Pointer("float", "df", $"(rows, {width})"),
        ];
        List<string> arguments = [c["dy"], c["indices"], c["f"], c["gates"], c["df"]];
        if (narrows)
        {
            parameters.Add(Pointer("element", "narrow", $"(rows, {width})"));
            arguments.Add(c["narrow"]);
        }

        parameters.Add(Pointer("float", "d_gate", "(rows)"));
        arguments.Add(c["dgates"]);
        parameters.Add(Rows);
        var body = $"gather_scale_bwd<{width}, {length}, {selected}, {f}, true, {Flag(narrows)}>(dy, selected, f, gate, df, {(narrows ? "narrow" : "nullptr")}, d_gate, rows);";
        var text = Entry($"gather_scale_gradient_{width}{Selection(length, selected)}{Suffix(f)}{(narrows ? "_narrow" : "")}", "vectors rows", body, [.. parameters]);
        return c.ByRow(text, "df", [.. arguments]);
    }

    private static IEnumerable<string> EnteredGradient(CudaCall c)
    {
        var (kind, width, dy) = (c.Op<EnteredScoresGradient>().Kind, Literal.Of(c.Width("x")), c.Element("dy"));
        var (length, selected, loss, narrows) = (c.Length("dx"), c.Selected("indices"), c.Has("scores"), c.Has("narrow"));
        List<EntryParameter> parameters =
        [
            Pointer($"const {dy}", "dy", $"(rows, {width})"), Pointer("const float", "x", $"(rows, {width})"), Pointer("const float", "gain", $"({width})"), Pointer("const float", "rstd", "(rows)"),
            Pointer("const float", "residual", $"(rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer("const float", "gate", "(rows)"), Pointer("const float", "d_gate", "(rows)"),
        ];
        List<string> arguments = [c["dy"], c["x"], c["gain"], c["rstd"], c["residual"], c["indices"], c["gates"], c["dgates"]];
        if (loss)
        {
            parameters.AddRange([Pointer("const float", "scores", "(stream rows)"), Pointer("const float", "scale", "(1)"), Value("float", "weight")]);
            arguments.AddRange([c["scores"], c["scale"], WeightOf(c)]);
        }

        parameters.AddRange([Pointer("const float", "w", $"({width})"), Pointer("float", "dx", $"(stream rows, {width}), added to")]);
        arguments.AddRange([c["weight"], c["dx"]]);
        if (narrows)
        {
            parameters.Add(Pointer("element", "narrow", $"(stream rows, {width})"));
            arguments.Add(c["narrow"]);
        }

        parameters.AddRange([Pointer("float", "partials", $"(blocks, {width})"), Pointer("float", "router_partials", $"(blocks, {width})"), Rows]);
        var body = $"rms_norm_bwd_entered<{width}, {dy}, Gate::{kind}, {length}, {selected}, {Flag(loss)}, {Flag(narrows)}>(\n    dy, x, gain, rstd, residual, selected, gate, d_gate, {(loss ? "scores, scale, weight" : "nullptr, nullptr, 0.0f")}, w, dx, {(narrows ? "narrow" : "nullptr")}, partials, router_partials, rows);";
        var name = $"entered_gradient_{kind.ToString().ToLowerInvariant()}_{width}{Selection(length, selected)}{Suffix(dy)}{(loss ? "_loss" : "")}{(narrows ? "_narrow" : "")}";
        return [c.ColumnSums(Entry(name, Routed, body, [.. parameters]), "x", c.Width("x"), [c["dgain"], c["dweight"]], [.. arguments])];
    }

    private static IEnumerable<string> ScatterAdd(CudaCall c)
    {
        var (width, length, selected, y) = (Literal.Of(c.Width("y")), c.Length("sum"), c.Selected("indices"), c.Element("y"));
        var text = Forwarding($"scatter_add_{width}{Selection(length, selected)}{Suffix(y)}", "vectors rows", $"scatter_add<{width}, {length}, {selected}, {y}>",
            Pointer($"const {y}", "y", $"(rows, {width})"), Pointer("const int", "selected", "(rows)"), Pointer("float", "into", $"(stream rows, {width}), added to"), Rows);
        return c.ByRow(text with { Blocks = BlocksOfFewRows(c.Width("y")) }, "y", c["y"], c["indices"], c["sum"]);
    }

    /// <summary>What a router sends into the stream's gradient and its own weights.</summary>
    private static IEnumerable<string> RouterGradient(CudaCall c)
    {
        var (width, narrows) = (Literal.Of(c.Width("x")), c.Has("narrow"));
        List<EntryParameter> parameters =
        [
            Pointer("const float", "x", $"(rows, {width})"), Pointer("const float", "w", $"({width})"), Pointer("const float", "d_scores", "(rows)"), Pointer("float", "dx", $"(rows, {width}), added to"),
        ];
        List<string> arguments = [c["x"], c["weight"], c["dscores"], c["dx"]];
        if (narrows)
        {
            parameters.Add(Pointer("element", "narrow", $"(rows, {width})"));
            arguments.Add(c["narrow"]);
        }

        parameters.AddRange([Pointer("float", "partials", $"(blocks, {width})"), Rows]);
        var body = $"router_bwd<{width}, {Flag(narrows)}>(x, w, d_scores, dx, {(narrows ? "narrow" : "nullptr")}, partials, rows);";
        return c.WithColumnSums(Entry($"router_gradient_{width}{(narrows ? "_narrow" : "")}", "vectors routing", body, [.. parameters]), "x", c.Width("x"), c["dweight"], [.. arguments]);
    }

    private static IEnumerable<string> LossGradient(CudaCall c, bool adds)
    {
        var (length, selected) = (c.Type("logits").Extents[0], c.Selected("indices"));
        var text = new CudaText($"routing_loss_gradient{Selection(length, selected)}{(adds ? "_add" : "")}", "prelude vectors routing", 256, EquatableArray.Of(
            Pointer("const float", "logits", "(rows)"), Pointer("const int", "selected", "(selected rows)"), Pointer("const float", "scale", "(1)"), Value("float", "weight"),
            Pointer("float", "d_logits", $"(rows){(adds ? ", added to" : "")}"), Value("int", "rows")),
            $"routing_loss_bwd<{length}, {selected}, {Flag(adds)}>(logits, selected, scale, weight, d_logits, rows);");
        var rows = c.MostElements("logits");
        return [c.Statement(text, $"Blocks({rows}, 256)", c["logits"], c["indices"], c["scale"], WeightOf(c), c["dlogits"], rows)];
    }

    private static IEnumerable<string> ScoresGradient(CudaCall c)
    {
        var (kind, length, selected) = (c.Op<GateGradient>().Kind, c.Type("logits").Extents[0], c.Selected("indices"));
        var text = new CudaText($"scores_gradient_{kind.ToString().ToLowerInvariant()}{Selection(length, selected)}", "prelude vectors routing", 256, EquatableArray.Of(
            Pointer("const float", "gate", "(selected rows)"), Pointer("const float", "d_gate", "(selected rows)"), Pointer("const float", "scores", "(rows)"),
            Pointer("const int", "selected", "(selected rows)"), Pointer("const float", "scale", "(1)"), Value("float", "weight"), Pointer("float", "d_scores", "(rows)"), Value("int", "rows")),
            $"scores_bwd<Gate::{kind}, {length}, {selected}>(gate, d_gate, scores, selected, scale, weight, d_scores, rows);");
        var rows = c.MostElements("logits");
        return [c.Statement(text, $"Blocks({rows}, 256)", c["gates"], c["dgates"], c["logits"], c["indices"], c["scale"], WeightOf(c), c["dscores"], rows)];
    }

    /// <summary>A loss term's weight, where it is fused into its gradient.</summary>
    private static string WeightOf(CudaCall c) => c.Launch.FindOp<Scale>() is { } scale ? Literal.Float(scale.Factor) : "1f";

    private static IEnumerable<string> RandomScores(CudaCall c)
    {
        var length = c.Samples ? 0 : c.Type("scores").Extents[0];
        var text = Entry($"random_scores{(length == 0 ? "" : "_" + Literal.Of(length))}", "vectors routing", $"random_scores<{length}>(positions, scores, draw, layer, offset, rows);",
            Pointer("const int", "positions", "(rows)"), Pointer("float", "scores", "(rows)"), Pointer("const u64", "draw", "(1)"), Value("int", "layer"), Value("float", "offset"), Rows);
        return c.Scalars(text, "scores", c["positions"], c["scores"], "Draw", "layer", Literal.Float(c.Op<RandomScores>().Offset));
    }

    private static IEnumerable<string> TopKForward(CudaCall c)
    {
        var (length, selected) = (c.Type("scores").Extents[0], c.Type("indices").Extents[0]);
        var text = new CudaText($"top_{Literal.Of(selected)}_of_{Literal.Of(length)}", "prelude top_k", 1024, EquatableArray.Of(
            Pointer("const float", "scores", $"(batch, {Literal.Of(length)})"), Pointer("int", "selected", $"(batch, {Literal.Of(selected)}) ascending")),
            $"top_k<{length}, {selected}>(scores, selected);", 4L * length);
        return [c.Statement(text, "Batch", c["scores"], c["indices"])];
    }

    private static IEnumerable<string> CausalSelect(CudaCall c)
    {
        var text = new CudaText("select_rows", "prelude sampling_rows", 1024, EquatableArray.Of(
            Pointer("const float", "logits", "(rows)"), Pointer("const int", "positions", "(rows)"), Pointer("const int", "sequences", "(rows)"),
            Pointer("const int", "use_forced", "(1)"), Pointer("const int", "forced", "(rows)"), Pointer("int", "entered", "(active)"), Pointer("int", "entered_positions", "(active)"),
            Pointer("int", "entered_sequences", "(active)"), Pointer("int", "active", "(1)"), Pointer("int", "flags", "(rows)"), Rows),
            "causal_select(logits, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, rows);");
        yield return c.Statement(text, "1", c["logits"], "Positions", "RowSequences", "Forced", "ForcedRows(layer)", "EnteredRows", "EnteredPositions", "EnteredSequences", "ActiveCount", "EnteredFlags(layer)", c.Elements("logits"));
        yield return "var active = Active;";
    }
}
