using System;
using System.Linq;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Spec;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>A routed layer of a decode step of one row as one kernel: decode_persistent of the kernel families.</summary>
internal static class CudaPersistentLayer
{
    private const string Families = "prelude vectors sm80 routing cached_attention decode_products decode_layer decode_persistent";

    // Columns that a warp takes at a time, warps of a block, query heads that it attends with together, and what a block may hold of shared memory besides the sums of products.
    private const int Step = 256, Warps = 16, HeadsTogether = 4, SharedBytes = 40 * 1024;

    /// <summary>Whether the family takes these sizes.</summary>
    public static bool Suits(CachedAttention op, int width, int feedForward)
    {
        var attention = op.Heads * op.HeadWidth;
        var together = Math.Min(HeadsTogether, op.Heads / op.KeyValueHeads);
        var held = sizeof(float) * (Math.Max(width, Math.Max(attention, feedForward)) + Warps * together * (op.HeadWidth + 2));
        return width % Step == 0 && attention % Step == 0 && feedForward % Step == 0 && held <= SharedBytes;
    }

    /// <summary>The kernel of a routed layer, its choice included.</summary>
    public static CudaText Routed(CachedAttention op, int width, int feedForward, GateKind kind)
    {
        var (d, f) = (Literal.Of(width), Literal.Of(feedForward));
        var (h, g, w, context) = (Literal.Of(op.Heads), Literal.Of(op.KeyValueHeads), Literal.Of(op.HeadWidth), Literal.Of(op.Context));
        var a = Literal.Of(op.Heads * op.HeadWidth);
        EntryParameter[] parameters =
        [
            Pointer("const float", "router", $"({d})"), Pointer("const float", "logits", "(1), or null"), Pointer("const int", "use_forced", "(1)"), Pointer("const int", "forced", "(1)"),
            Pointer("int", "flags", "(1)"), Pointer("const int", "positions", "(1)"), Pointer("const int", "sequences", "(1)"), Pointer("int", "lengths", "(sequences)"),
            Pointer("float", "x", $"({d})"), Pointer("const float", "gain1", $"({d})"), Pointer("const bf16", "w_qkv", $"({Literal.Of((op.Heads + 2 * op.KeyValueHeads) * op.HeadWidth)}, {d})"),
            Pointer("const float2", "rotary", $"({context}, {Literal.Of(op.HeadWidth / 2)})"), Pointer("bf16", "cache", $"(sequences, {context}, 2, {Literal.Of(op.KeyValueHeads * op.HeadWidth)})"),
            Pointer("const bf16", "w_out", $"({d}, {a})"), Pointer("const float", "gain2", $"({d})"), Pointer("const bf16", "w_gate_up", $"({Literal.Of(2 * feedForward)}, {d})"),
            Pointer("const bf16", "w_down", $"({d}, {f})"), Pointer("bf16", "q", $"({a})"), Pointer("float", "partials", $"({h}, splits, {Literal.Of(op.HeadWidth + 2)})"),
            Pointer("float", "t", $"({d})"), Pointer("bf16", "hidden", $"({f})"), Pointer("u32", "counter", "(1)"), Rows, Value("float", "epsilon"),
        ];
        return new CudaText(
            $"decode_{d}_persistent_{kind.ToString().ToLowerInvariant()}", Families, 32 * Warps, parameters.ToEquatableArray(),
            $"decode_layer_persistent<{d}, {h}, {g}, {w}, {f}, {context}, DECODE_BLOCKS, true, Gate::{kind}>(\n    {string.Join(", ", parameters.Select(p => p.Name))});",
            Bound: $"persistent_bound({h}, {g})");
    }
}
