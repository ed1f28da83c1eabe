using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using ModGen.Compiler.Spec;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>
/// A block of a decode step as its few fused kernels: what a call of a few rows takes instead of the planned launches behind
/// the router. The rows that the texts are for stand in front of them when they are compiled.
/// </summary>
internal static class CudaDecodeKernels
{
    private const string Products = "prelude sm80 cached_attention decode_products decode_layer";

    // Of the runtime's LayerWeights, and what the graph calls them.
    private static readonly (string Field, string Value)[] Parameters =
    [
        ("AttentionGain", "attentionGain"), ("Qkv", "qkvWeight"), ("Output", "outputWeight"), ("MlpGain", "mlpGain"), ("GateUp", "gateUpWeight"), ("Down", "downWeight"),
    ];

    /// <summary>The statements that run a block, or the rest of it, by fused kernels and return; null where a size is none for them.</summary>
    /// <param name="block">The block.</param>
    /// <param name="catalog">Where kernels go.</param>
    /// <param name="placeOf">The expression of a value where there is no local for it.</param>
    /// <param name="emit">The statements of a planned launch, in such expressions.</param>
    public static DecodeBranch? Branch(SectionPlan block, KernelCatalog catalog, Func<Value, string> placeOf, Func<Launch, IEnumerable<string>> emit)
    {
        var attention = block.Forward.Select(l => l.FindOp<CachedAttention>()).First(op => op is not null)!;
        var norm = block.Forward.Select(l => l.FindOp<RmsNorm>()).First(op => op is not null)!;
        var parameters = block.Graph.Parameters.ToDictionary(p => p.Name);
        var (width, feedForward) = (parameters["downWeight"].Type.Extents[0], parameters["downWeight"].Type.Extents[1]);
        // Rows of weights are read in pieces of 16 bytes.
        if (width % 8 != 0 || feedForward % 8 != 0 || attention.Heads * attention.HeadWidth % 8 != 0)
            return null;
        var choice = block.Forward.TakeWhile(l => l.FindOp<CausalSelect>() is null).ToList();
        var routed = choice.Count < block.Forward.Count;
        var stream = placeOf(block.Section.Graph.Inputs.First(v => block.Storage[v].Kind == StorageKind.StreamIn));
        var weights = Parameters.Select(p => $"    {p.Field}: {placeOf(parameters[p.Value])}{(p.Field == "Down" ? "));" : ",")}");
        var layer = catalog.Add(Entry(attention, width, feedForward, routed));
        var epsilon = Literal.Float(norm.Epsilon);
        if (!routed)
            return new DecodeBranch(0, [$"DecodeLayer({layer}, layer, {stream}, {epsilon}, new(", .. weights]);
        var router = choice.FirstOrDefault(l => l is { Nodes.Count: 1 } && l.FindOp<RouterScores>() is not null);
        var gate = block.Forward.FirstOrDefault(l => l.FindOp<Gate>() is not null);
        if (router is null || gate is null)
            return new DecodeBranch(choice.Count + 1, [$"DecodeRoutedLayer({layer}, layer, {stream}, {epsilon}, new(", .. weights]);

        // Scores, choice and gates are one kernel; what a predictor needs goes before it.
        var logits = block.Forward[choice.Count]["logits"];
        var places = string.Join(", ", [placeOf(router["weight"]), logits == router["scores"] ? "default" : placeOf(logits), placeOf(gate["gates"])]);
        return new DecodeBranch(0,
        [
            .. choice.Where(l => l != router).SelectMany(emit),
            $"DecodeRoutedLayer({layer}, layer, {stream}, {catalog.Add(Router(attention, width, feedForward, gate.Op<Gate>().Kind))}, new({places}), {epsilon}, new(",
            .. weights,
        ]);
    }

    /// <summary>The choice alone, and where sizes allow it the choice and the layer in one kernel.</summary>
    private static OperationEntry Router(CachedAttention op, int width, int feedForward, GateKind kind)
    {
        List<EntryForm> forms = [new("Route", Route(width, kind))];
        if (CudaPersistentLayer.Suits(op, width, feedForward))
            forms.Add(new("Persistent", CudaPersistentLayer.Routed(op, width, feedForward, kind)));
        return new OperationEntry("DecodeRouterKernel", $"decode_{Literal.Of(width)}_router_{kind.ToString().ToLowerInvariant()}", "", forms.ToEquatableArray());
    }

    private static CudaText Route(int width, GateKind kind)
    {
        var d = Literal.Of(width);
        return new CudaText($"decode_{d}_route_{kind.ToString().ToLowerInvariant()}", "prelude vectors routing decode_route", 1024, EquatableArray.Of(
            Pointer("const float", "x", $"(rows, {d})"), Pointer("const float", "w", $"({d})"), Pointer("const float", "logits", "(rows), or null"),
            Pointer("const int", "positions", "(rows)"), Pointer("const int", "sequences", "(rows)"), Pointer("const int", "use_forced", "(1)"), Pointer("const int", "forced", "(rows)"),
            Pointer("int", "entered", "(active)"), Pointer("int", "entered_positions", "(active)"), Pointer("int", "entered_sequences", "(active)"), Pointer("int", "active", "(1)"),
            Pointer("int", "flags", "(rows)"), Pointer("float", "gates", "(active)"), Rows),
            $"decode_route<{d}, Gate::{kind}>(\n    x, w, logits, positions, sequences, use_forced, forced, entered, entered_positions, entered_sequences, active, flags, gates, rows);");
    }

    private static OperationEntry Entry(CachedAttention op, int width, int feedForward, bool routed)
    {
        const int Splits = 8; // as DecodeLayerKernel.Splits
        var (d, f) = (Literal.Of(width), Literal.Of(feedForward));
        var (h, g, w, context) = (Literal.Of(op.Heads), Literal.Of(op.KeyValueHeads), Literal.Of(op.HeadWidth), Literal.Of(op.Context));
        var a = Literal.Of(op.Heads * op.HeadWidth);
        var name = $"decode_{d}" + (routed ? "_routed" : "");
        var x = Pointer("const float", "x", $"(stream rows, {d})");
        var of = Pointer("const int", "of", routed ? "(rows)" : "null");
        var normed = Pointer("const bf16", "normed", $"(rows, {d}), or null");
        var t = Pointer("const float", "t", $"(rows, {d})");
        var hidden = Pointer("const bf16", "hidden", $"(rows, {f})");
        var sequences = Pointer("const int", "sequences", "(rows)");
        var lengths = Pointer("const int", "lengths", "(sequences)");
        var visible = Pointer("const int", "visible", "(rows)");
        var q = Pointer("const element", "q", $"(rows, {a})");
        var o = Pointer("const element", "o", $"(rows, {a})");
        var cache = Pointer("const element", "cache", $"(sequences, {context}, 2, {Literal.Of(op.KeyValueHeads * op.HeadWidth)})");
        var partials = Pointer("const float", "partials", $"(rows, {h}, {Literal.Of(Splits)}, {Literal.Of(op.HeadWidth + 2)})");
        var gain = Pointer("const float", "gain", $"({d})");
        var epsilon = Value("float", "epsilon");
        EntryParameter Weight(string rows, string columns) => Pointer("const bf16", "weight", $"({rows}, {columns})");

        List<EntryForm> forms =
        [
            new("Qkv", Product("qkv", d, $"decode_qkv<{d}, {h}, {g}, {w}, {context}, DECODE_ROWS, {Flag(routed)}>",
                Weight(Literal.Of((op.Heads + 2 * op.KeyValueHeads) * op.HeadWidth), d), x, gain, normed, Pointer("const float2", "rotary", $"({context}, {Literal.Of(op.HeadWidth / 2)})"),
                Pointer("const int", "positions", "(rows)"), sequences, lengths, of, q with { Type = "bf16*" }, cache with { Type = "bf16*" }, Rows, epsilon)),
            new("Attention", Forwarding(name + "_attention", "sm90 cached_attention decode_attention_sm90", $"decode_attention<{h}, {g}, {w}, {context}, DECODE_SPLITS>",
                q, sequences, lengths, cache, o with { Type = "element*" }, Rows) with { Blocks = op.Heads == op.KeyValueHeads && op.HeadWidth <= 64 ? 3 : 1 }),
            new("Place", new CudaText(name + "_place", "prelude cached_attention", 1024, EquatableArray.Of(sequences, lengths, visible with { Type = "int*" }, Rows),
                "cache_place(sequences, lengths, visible, rows);")),
            new("Split", Forwarding(name + "_split", "cached_attention cached_attention_split", $"cached_attention_split<{h}, {g}, {w}, {context}, {Literal.Of(Splits)}, {a}>",
                q, sequences, visible, cache, partials with { Type = "float*" }, Rows)),
            new("Combine", Forwarding(name + "_combine", "cached_attention cached_attention_split", $"cached_attention_combine<{h}, {w}, {Literal.Of(Splits)}>",
                partials, o with { Type = "element*" }, Rows)),
            new("Output", Product("output", a, $"decode_attention_output<{a}, {d}, DECODE_ROWS>",
                Weight(d, a), o with { Type = "const bf16*" }, x, of, t with { Type = "float*" }, sequences, lengths with { Type = "int*" }, Rows)),
            new("GateUp", Product("gate_up", d, $"decode_gate_up<{d}, {f}, DECODE_ROWS>", Weight(Literal.Of(2 * feedForward), d), t, gain, normed, hidden with { Type = "bf16*" }, Rows, epsilon)),
            new("Down", routed
                ? Product("down", f, $"decode_down_routed<{f}, {d}, DECODE_ROWS>", Weight(d, f), hidden, t, Pointer("const float", "gates", "(rows), or null"), of, x with { Type = "float*" }, Rows)
                : Product("down", f, $"decode_down<{f}, {d}, DECODE_ROWS>", Weight(d, f), hidden, t, x with { Type = "float*" }, Rows)),
            new("Norm", new CudaText(name + "_norm", "prelude vectors rms_norm", 256, EquatableArray.Of(x, gain, normed with { Type = "element*" }, Rows, epsilon),
                $"rms_norm_fwd<{d}>(x, gain, normed, nullptr, rows, epsilon);")),
        ];
        if (routed)
            forms.Add(new("GatheredNorm", new CudaText(name + "_gathered_norm", "prelude vectors rms_norm", 256,
                EquatableArray.Of(x, of, gain, t with { Type = "float*", Name = "gathered" }, normed with { Type = "element*" }, Rows, epsilon),
                $"rms_norm_gather_fwd<{d}, 0, 0>(x, of, gain, gathered, normed, nullptr, rows, epsilon);")));
        return new OperationEntry("DecodeLayerKernel", name, $"{d}, {h}, {g}, {w}, {f}", forms.ToEquatableArray());

        CudaText Product(string part, string columns, string function, params EntryParameter[] parameters) => CudaDecodeKernels.Product($"{name}_{part}", columns, function, parameters);
    }

    private static CudaText Product(string name, string columns, string function, params EntryParameter[] parameters) => new(
        name, Products, 128, parameters.ToEquatableArray(), $"{function}({string.Join(", ", parameters.Select(p => p.Name))});",
        Bound: $"decode_threads({columns}, DECODE_ROWS)", Resident: $"decode_resident({columns}, DECODE_ROWS)");

    /// <summary>The statement that makes the wanted logits; null where the width is none for it.</summary>
    public static string? Head(SectionPlan head, KernelCatalog catalog, Func<Value, string> placeOf)
    {
        var product = head.Forward.Last(l => l.FindOp<Linear>() is not null);
        var norm = head.Forward.First(l => l.FindOp<RmsNorm>() is not null);
        var weight = product["weight"];
        var (vocabulary, width) = (weight.Type.Extents[0], weight.Type.Extents[1]);
        if (width % 8 != 0)
            return null;
        var (v, d) = (Literal.Of(vocabulary), Literal.Of(width));
        var x = Pointer("const float", "x", $"(stream rows, {d})");
        var wanted = Pointer("const int", "wanted", "(rows)");
        var gain = Pointer("const float", "gain", $"({d})");
        var normed = Pointer("const bf16", "normed", $"(rows, {d}), or null");
        var epsilon = Value("float", "epsilon");
        var name = $"decode_{d}_head";
        List<EntryForm> forms =
        [
            new("Logits", Product(name, d, $"decode_logits<{d}, {v}, DECODE_ROWS>", Pointer("const bf16", "weight", $"({v}, {d})"), x, gain, normed, wanted, Pointer("float", "logits", $"(rows, {v})"), Rows, epsilon)),
            new("GatheredNorm", new CudaText(name + "_norm", "prelude vectors rms_norm", 256,
                EquatableArray.Of(x, wanted, gain, Pointer("float", "gathered", $"(rows, {d})"), normed with { Type = "element*" }, Rows, epsilon),
                $"rms_norm_gather_fwd<{d}, 0, 0>(x, wanted, gain, gathered, normed, nullptr, rows, epsilon);")),
        ];
        var entry = catalog.Add(new OperationEntry("DecodeHeadKernel", name, $"{d}, {v}", forms.ToEquatableArray()));
        return $"DecodeHead({entry}, {placeOf(norm["x"])}, {placeOf(norm["gain"])}, {placeOf(weight)}, {Literal.Float(norm.Op<RmsNorm>().Epsilon)});";
    }
}

/// <summary>What a block does in a decode step.</summary>
/// <param name="After">Planned launches that go before it.</param>
/// <param name="Statements">The rest.</param>
internal sealed record DecodeBranch(int After, IReadOnlyList<string> Statements);
