using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>Causal attention within sequences, its gradient, and attention over caches.</summary>
internal static class CudaAttentionKernels
{
    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.For<CausalAttention>("attention",
            n => [Read("qkv", n.Inputs[0]), Write("o", n.Outputs[0]), Write("lse", n.Outputs[1])],
            c =>
            {
                var op = c.Op<CausalAttention>();
                return [$"AttentionForward({c.Catalog.Add(Entry(op.Heads, op.KeyValueHeads, op.HeadWidth, c.Type("qkv").Extents[0]))}, {c["qkv"]}, {c["o"]}, {c["lse"]});"];
            }),
        CudaKernel.For<CausalAttentionGradient>("attention_gradient",
            n => [Read("qkv", n.Inputs[0]), Read("o", n.Inputs[1]), Read("lse", n.Inputs[2]), Read("doutput", n.Inputs[3]), Write("dqkv", n.Output)],
            c =>
            {
                var op = c.Op<CausalAttentionGradient>();
                return [$"AttentionBackward({c.Catalog.Add(Entry(op.Heads, op.KeyValueHeads, op.HeadWidth, c.Type("qkv").Extents[0]))}, {c["qkv"]}, {c["o"]}, {c["lse"]}, {c["doutput"]}, {c["dqkv"]});"];
            }),
        CudaKernel.For<CachedAttention>("cached_attention",
            n => [Read("qkv", n.Inputs[0]), Read("sequences", n.Inputs[1]), Write("o", n.Outputs[0]), Write("visible", n.Outputs[1])], Cached),
    ];

    private static AttentionEntry Entry(int heads, int groups, int width, int length)
    {
        var shape = $"{Literal.Of(heads)}, {Literal.Of(groups)}, {Literal.Of(width)}, {Literal.Of(length)}";
        var name = $"attention_{Literal.Of(heads)}x{Literal.Of(width)}{(groups == heads ? "" : "_over_" + Literal.Of(groups))}_at_{Literal.Of(length)}";
        var qkv = Pointer("const element", "qkv", $"(batch, {Literal.Of(length)}, {Literal.Of((heads + 2 * groups) * width)})");
        var gradient = Pointer("element", "d_qkv", $"(batch, {Literal.Of(length)}, {Literal.Of((heads + 2 * groups) * width)})");
        var output = Pointer("const element", "o", $"(batch, {Literal.Of(length)}, {Literal.Of(heads * width)})");
        var outputGradient = Pointer("const element", "d_o", $"(batch, {Literal.Of(length)}, {Literal.Of(heads * width)})");
        var lse = Pointer("const float", "lse", $"(batch, {Literal.Of(heads)}, {Literal.Of(length)})");
        var dots = Pointer("const float", "dots", $"(batch, {Literal.Of(heads)}, {Literal.Of(length)})");
        var batch = Value("int", "batch");
        const string Plain = "prelude attention_any";
        List<EntryForm> forms =
        [
            new("Forward", new CudaText(name, Plain, 256, EquatableArray.Of(qkv, output with { Type = "element*" }, lse with { Type = "float*" }, batch),
                $"attention_any_fwd<{shape}>(qkv, o, lse, batch);")),
            new("Rows", new CudaText(name + "_rows", Plain, 256, EquatableArray.Of(output, outputGradient, dots with { Type = "float*" }, batch),
                $"attention_any_rows<{shape}>(o, d_o, dots, batch);")),
            new("Queries", new CudaText(name + "_queries", Plain, 256, EquatableArray.Of(qkv, outputGradient, lse, dots, gradient, batch),
                $"attention_any_bwd_queries<{shape}>(qkv, d_o, lse, dots, d_qkv, batch);")),
            new("Keys", new CudaText(name + "_keys", Plain, 256, EquatableArray.Of(qkv, outputGradient, lse, dots, gradient, batch),
                $"attention_any_bwd_keys<{shape}>(qkv, d_o, lse, dots, d_qkv, batch);")),
        ];
        if (width % 16 == 0 && width <= 128)
        {
            const string Tiles = "prelude attention sm80 attention_tiles ";
            forms.Add(new("PortableForward", new CudaText(name, Tiles + "attention_fwd", 128, EquatableArray.Of(qkv, output with { Type = "element*" }, lse with { Type = "float*" }, batch),
                $"attention_fwd<{shape}>(qkv, o, lse, batch);")));
            forms.Add(new("PortableQueries", new CudaText(name + "_queries", Tiles + "attention_bwd", 128, EquatableArray.Of(qkv, outputGradient, lse, dots, gradient, batch),
                $"attention_bwd_queries<{shape}>(qkv, d_o, lse, dots, d_qkv, batch);")));
            forms.Add(new("PortableKeys", new CudaText(name + "_keys", Tiles + "attention_bwd", 128, EquatableArray.Of(qkv, outputGradient, lse, dots, gradient, batch),
                $"attention_bwd_keys<{shape}>(qkv, d_o, lse, dots, d_qkv, batch);")));
        }

        return new AttentionEntry(name, $"{Literal.Of(heads)}, {Literal.Of(groups)}, {Literal.Of(width)}, {Literal.Of(length)}", forms.ToEquatableArray());
    }

    /// <summary>Blocks that cached_attention gives a row: cached_attention_blocks of that family.</summary>
    private static int BlocksOfRow(CachedAttention op)
    {
        var group = op.Heads / op.KeyValueHeads;
        var together = System.Math.Min(group, 4);
        return op.KeyValueHeads * ((group + together - 1) / together);
    }

    private static IEnumerable<string> Cached(CudaCall c)
    {
        const string Families = "prelude attention_any cached_attention";
        var op = c.Op<CachedAttention>();
        var shape = $"{Literal.Of(op.Heads)}, {Literal.Of(op.KeyValueHeads)}, {Literal.Of(op.HeadWidth)}, {Literal.Of(op.Context)}";
        var name = $"{Literal.Of(op.Heads)}x{Literal.Of(op.HeadWidth)}{(op.KeyValueHeads == op.Heads ? "" : "_over_" + Literal.Of(op.KeyValueHeads))}";
        var sequences = Pointer("const int", "sequences", "(rows)");
        var visible = Pointer("const int", "visible", "(rows)");
        var qkv = Pointer("const element", "qkv", $"(rows, {Literal.Of(c.Width("qkv"))})");
        var cache = Pointer("element", "cache", $"(sequences, {Literal.Of(op.Context)}, 2, {Literal.Of(op.KeyValueHeads * op.HeadWidth)})");
        var place = new CudaText("place_rows", Families, 1024, EquatableArray.Of(
            sequences, Pointer("int", "lengths", "(sequences), advanced"), Pointer("int", "visible", "(rows)"), Rows), "cache_place_advance(sequences, lengths, visible, rows);");
        var append = Forwarding($"cache_append_{name}", "attention_any cached_attention", $"cache_append<{shape}>", qkv, sequences, visible, cache, Rows);
        var attend = Forwarding($"cached_attention_{name}", "attention_any cached_attention", $"cached_attention<{shape}>",
            qkv, sequences, visible, cache with { Type = "const element*" }, Pointer("element", "o", $"(rows, {Literal.Of(op.Heads * op.HeadWidth)})"), Rows);
        var rows = c.Rows("qkv");
        yield return c.Statement(place, "1", c["sequences"], "Lengths(layer)", c["visible"], rows);
        yield return c.Statement(append, c.Most("qkv"), c["qkv"], c["sequences"], c["visible"], "Keys(layer)", rows);
        yield return c.Statement(attend, $"{c.Most("qkv")} * {Literal.Of(BlocksOfRow(op))}", c["qkv"], c["sequences"], c["visible"], "Keys(layer)", c["o"], rows);
    }
}
