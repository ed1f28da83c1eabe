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
    private const int ShortLength = 256; // as AttentionTiles.ShortLength

    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.For<CausalAttention>("attention",
            n => [Read("qkv", n.Inputs[0]), Write("o", n.Outputs[0]), Write("lse", n.Outputs[1])],
            c =>
            {
                var op = c.Op<CausalAttention>();
                return [$"AttentionForward({c.Catalog.Add(Entry(op.Heads, op.KeyValueHeads, op.HeadWidth, c.Type("qkv").Extents[0]))}, {c["qkv"]}, {c["o"]}, {c["lse"]});"];
            }),
        CudaKernel.Fused("attention_rotary_gradient", FusedPatterns.AttentionRotaryGradient,
            c =>
            {
                var (op, columns) = (c.Op<CausalAttentionGradient>(), c.Type("qkv"));
                var entry = c.Catalog.Add(Entry(op.Heads, op.KeyValueHeads, op.HeadWidth, columns.Extents[0]));
                var rotary = c.Catalog.Add(new SingleEntry(CudaElementwiseKernels.Rotation(op.Heads + op.KeyValueHeads, op.HeadWidth, columns.Last, backward: true)));
                return [$"AttentionBackward({entry}, {rotary}, {c["positions"]}, {c["qkv"]}, {c["o"]}, {c["lse"]}, {c["doutput"]}, {c["dqkv"]});"];
            }),
        CudaKernel.For<CausalAttentionGradient>("attention_gradient",
            n => [Read("qkv", n.Inputs[0]), Read("o", n.Inputs[1]), Read("lse", n.Inputs[2]), Read("doutput", n.Inputs[3]), Write("dqkv", n.Output)],
            c =>
            {
                var op = c.Op<CausalAttentionGradient>();
                return [$"AttentionBackward({c.Catalog.Add(Entry(op.Heads, op.KeyValueHeads, op.HeadWidth, c.Type("qkv").Extents[0]))}, null, default, {c["qkv"]}, {c["o"]}, {c["lse"]}, {c["doutput"]}, {c["dqkv"]});"];
            }),
        CudaKernel.For<CachedAttention>("cached_attention",
            n => [Read("qkv", n.Inputs[0]), Read("sequences", n.Inputs[1]), Write("o", n.Outputs[0]), Write("visible", n.Outputs[1])], Cached),
    ];

    private static OperationEntry Entry(int heads, int groups, int width, int length)
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

        if (width is 64 or 128)
        {
            var heading = $"AttentionHeads<{Literal.Of(width)}, {Literal.Of(heads)}, {Literal.Of(groups)}>";
            forms.AddRange(Hopper(name, $"{heading}, {Literal.Of(length)}", shape, qkv, output, outputGradient, gradient, lse, batch));
            if (width == 64 && length <= ShortLength)
                forms.Add(Joint(name, heading, shape, [qkv, outputGradient, gradient], output, lse, batch));
        }

        return new OperationEntry("AttentionKernel", name, $"{Literal.Of(heads)}, {Literal.Of(groups)}, {Literal.Of(width)}, {Literal.Of(length)}", forms.ToEquatableArray());
    }

    /// <summary>The forms for Hopper, whose matrices are tensor maps and whose tiles the families choose by width and length.</summary>
    private static IEnumerable<EntryForm> Hopper(
        string name, string tile, string shape, EntryParameter qkv, EntryParameter output, EntryParameter outputGradient, EntryParameter gradient, EntryParameter lse, EntryParameter batch)
    {
        const string Forward = "prelude sm90 wgmma attention attention_sm90 attention_fwd_sm90";
        const string Queries = "prelude sm90 wgmma attention attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_queries_sm90";
        const string Keys = "prelude sm90 wgmma attention attention_copy_sm90 attention_sm90 attention_rows attention_bwd_sm90 attention_bwd_keys_sm90";
        var rows = Pointer("float", "rows", "(2, batch, heads, whole tiles of 64)");
        var d_o = outputGradient with { Name = "d_output" };
        var positions = Pointer("const int", "positions", "(batch, positions)");
        var rotary = Pointer("const float2", "rotary", "(context, half a head) cosine and sine");
        yield return new("HopperForward", new CudaText(name, Forward, 128, EquatableArray.Of(Map(qkv), Map(output), lse with { Type = "float*" }, batch),
            $"attention_fwd_sm90<{shape}>(qkv, o, lse, batch);", Bound: $"AttentionForwardFor<{tile}>::Threads"));
        yield return new("HopperQueries", new CudaText(name + "_queries", Queries, 128, EquatableArray.Of(Map(qkv), Map(outputGradient), Map(gradient), output, d_o, lse, rows, positions, rotary, batch),
            $"attention_bwd_queries_sm90<{shape}>(qkv, d_o, d_qkv, o, d_output, lse, rows, positions, rotary, batch);", Bound: $"AttentionQueriesFor<{tile}>::Threads"));
        yield return new("HopperKeys", new CudaText(name + "_keys", Keys, 128, EquatableArray.Of(Map(qkv), Map(outputGradient), Map(gradient), rows, positions, rotary, batch),
            $"attention_bwd_keys_sm90<{shape}>(qkv, d_o, d_qkv, rows, positions, rotary, batch);", Bound: $"AttentionKeysFor<{tile}>::Threads"));
    }

    /// <summary>The whole gradient in one kernel, which wins for short sequences.</summary>
    private static EntryForm Joint(string name, string heads, string shape, EntryParameter[] mapped, EntryParameter output, EntryParameter lse, EntryParameter batch)
    {
        const string Families = "prelude sm80 sm90 wgmma attention attention_sm90 attention_rows attention_bwd_sm90 "
            + "attention_bwd_joint_sm90 attention_bwd_joint_keys_sm90 attention_bwd_joint_rows_sm90 attention_bwd_joint_queries_sm90";
        return new("HopperGradient", new CudaText(name + "_gradient", Families, 128, EquatableArray.Of(
            Map(mapped[0]), Map(mapped[1]), Map(mapped[2]), output, lse, Pointer("float", "rows", "(blocks, group, whole tiles of 64, 2)"),
            Pointer("float4", "sums", "(blocks, group, whole tiles of 64, 16 a head's width)"), Pointer("const int", "positions", "(batch, positions)"),
            Pointer("const float2", "rotary", "(context, half a head) cosine and sine"), batch),
            $"attention_bwd_joint_sm90<{shape}>(qkv, d_o, d_qkv, o, lse, rows, sums, positions, rotary, batch);", Bound: $"AttentionJointTile<{heads}>::Threads"));
    }

    private static EntryParameter Map(EntryParameter matrix) => new("const __grid_constant__ TensorMap", matrix.Name, matrix.Shape);

    private static IEnumerable<string> Cached(CudaCall c)
    {
        const string Family = "cached_attention";
        const int Splits = 8; // as CachedAttentionKernel.Splits
        var op = c.Op<CachedAttention>();
        var sizes = $"{Literal.Of(op.Heads)}, {Literal.Of(op.KeyValueHeads)}, {Literal.Of(op.HeadWidth)}";
        var shape = $"{sizes}, {Literal.Of(op.Context)}";
        var name = $"{Literal.Of(op.Heads)}x{Literal.Of(op.HeadWidth)}{(op.KeyValueHeads == op.Heads ? "" : "_over_" + Literal.Of(op.KeyValueHeads))}";
        var attend = "cached_attention_" + name;
        var sequences = Pointer("const int", "sequences", "(rows)");
        var visible = Pointer("const int", "visible", "(rows)");
        var qkv = Pointer("const element", "qkv", $"(rows, {Literal.Of(c.Width("qkv"))})");
        var cache = Pointer("element", "cache", $"(sequences, {Literal.Of(op.Context)}, 2, {Literal.Of(op.KeyValueHeads * op.HeadWidth)})");
        var entries = cache with { Type = "const element*" };
        var output = Pointer("element", "o", $"(rows, {Literal.Of(op.Heads * op.HeadWidth)})");
        var partials = Pointer("float", "partials", $"(rows, {Literal.Of(op.Heads)}, {Literal.Of(Splits)}, {Literal.Of(op.HeadWidth + 2)})");
        var place = new CudaText("place_rows", "prelude " + Family, 1024, EquatableArray.Of(
            sequences, Pointer("int", "lengths", "(sequences), advanced"), Pointer("int", "visible", "(rows)"), Rows), "cache_place_advance(sequences, lengths, visible, rows);");
        var append = Forwarding($"cache_append_{name}", Family, $"cache_append<{shape}>", qkv, sequences, visible, cache, Rows);
        List<EntryForm> forms =
        [
            new("Rows", Forwarding(attend, Family, $"cached_attention<{shape}>", qkv, sequences, visible, entries, output, Rows)),
            new("Split", Forwarding(attend + "_split", Family + " cached_attention_split", $"cached_attention_split<{shape}, {Literal.Of(Splits)}>", qkv, sequences, visible, entries, partials, Rows)),
            new("Combine", Forwarding(
                attend + "_combine", Family + " cached_attention_split", $"cached_attention_combine<{Literal.Of(op.Heads)}, {Literal.Of(op.HeadWidth)}, {Literal.Of(Splits)}>",
                partials with { Type = "const float*" }, output, Rows)),
        ];
        if (op.HeadWidth % 16 == 0 && op.HeadWidth <= 128)
            forms.Add(new("Tiles", new CudaText(attend + "_tiles", "prelude attention sm80 attention_tiles cached_attention_tiles", 128,
                EquatableArray.Of(qkv, sequences, visible, entries, output, Rows), $"cached_attention_tiles<{shape}>(qkv, sequences, visible, cache, o, rows);")));
        var entry = new OperationEntry("CachedAttentionKernel", attend, sizes, forms.ToEquatableArray());
        var rows = c.Rows("qkv");
        yield return c.Statement(place, "1", c["sequences"], "Lengths(layer)", c["visible"], rows);
        yield return c.Statement(append, c.Most("qkv"), c["qkv"], c["sequences"], c["visible"], "Keys(layer)", rows);
        yield return $"CachedAttention({c.Catalog.Add(entry)}, {c["qkv"]}, {c["sequences"]}, {c["visible"]}, Keys(layer), {c["o"]}, {rows});";
    }
}
