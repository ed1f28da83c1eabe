using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>
/// Products that do their neighbour's work while the results are still in registers, in training: on Hopper one kernel,
/// elsewhere two launches over the same buffers.
/// </summary>
internal static class CudaLinearFusions
{
    private const string Families = "prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90 linear_fused_epilogues_sm90";
    private const string OverlappedFamilies = "prelude sm90 wgmma linear_sm90 linear_overlapped_sm90 linear_overlapped_epilogues_sm90";
    private const string MapType = "const __grid_constant__ TensorMap";
    private const int Threads = 384, TileColumns = 256;

    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.Fused("linear_swiglu", (m, n) => Suits(n, FusedPatterns.LinearSwiGlu(m, n), "weight"), SwiGluForward),
        CudaKernel.Fused("swiglu_input_gradient", (m, n) => Suits(n, FusedPatterns.SwiGluInputGradient(m, n), "weight"), SwiGluBackward),
        CudaKernel.Fused("linear_rotary",
            (m, n) => n.Op is Rotary { HeadWidth: var head } && head % 16 == 0 && TileColumns % head == 0 ? Suits(n, FusedPatterns.LinearRotary(m, n), "weight") : null, RotaryForward),
    ];

    /// <summary>What applies where norms have left a sum alone: in training, sums of the stream and a product.</summary>
    public static IReadOnlyList<CudaKernel> Sums { get; } =
    [
        CudaKernel.Fused("linear_sum", (m, n) => Suits(n, FusedPatterns.LinearAdd(m, n), "weight"), SumForward),
    ];

    // The tensor cores' condition: whole groups of 16 bytes, of each branch too.
    private static KernelMatch? Suits(Node node, KernelMatch? match, string weight)
    {
        if (match is null)
            return null;
        foreach (var operand in match.Operands)
            if (operand.Role == weight && (operand.Value.Type.Last % 8 != 0 || operand.Value.Type.Extents[0] % (node.Op is SwiGlu ? 16 : 8) != 0))
                return null;
        return match;
    }

    private static IEnumerable<string> SwiGluForward(CudaCall c)
    {
        var (width, inputs) = (c.Width("y"), c.Width("x"));
        var product = c.Catalog.Add(CudaLinearKernels.Forward(2 * width, inputs, "element", CudaLinearKernels.Stored.Plain));
        var rest = c.Catalog.Add(new SingleEntry(CudaElementwiseKernels.SwiGluForward(width)));
        var (f, n) = (Literal.Of(width), Literal.Of(2 * width));
        var fused = new CudaText($"linear_swiglu_{f}x{Literal.Of(inputs)}", OverlappedFamilies, Threads, EquatableArray.Of(
            Map("x", $"(rows, {Literal.Of(inputs)})"), Map("w", $"(2 x {f}, {Literal.Of(inputs)})"), Pointer("bf16", "hidden", $"(rows, {f})"),
            Pointer("bf16", "branches", $"(rows, {n}): gate, up"), Value("int", "rows")),
            $"linear_overlapped_sm90<LinearTile<256, false, false, 3, LINEAR_CLUSTER, 8, 2, {f}>>(\n    x, w, rows, {n}, {Literal.Of(inputs)}, OverlappedSwiGlu{{hidden, branches, {f}}});");
        var entry = c.Catalog.Add(new FusedLinearEntry(fused.Name, product, rest, width, fused, "Overlapped = true, Split = true"));
        yield return $"LinearSwiGlu({entry}, {c["x"]}, {c["weight"]}, {c["branches"]}, {c["y"]}, {c.Rows("x")});";
    }

    private static IEnumerable<string> SwiGluBackward(CudaCall c)
    {
        var (width, outputs) = (c.Type("weight").Last, c.Width("dy"));
        var product = c.Catalog.Add(CudaLinearKernels.InputGradient(outputs, width));
        var rest = c.Catalog.Add(new SingleEntry(CudaElementwiseKernels.SwiGluBackward(width)));
        var f = Literal.Of(width);
        var shape = $"(rows, {Literal.Of(2 * width)})";
        var fused = new CudaText($"swiglu_input_gradient_{Literal.Of(outputs)}x{f}", OverlappedFamilies, Threads, EquatableArray.Of(
            Map("dy", $"(rows, {Literal.Of(outputs)})"), Map("w", $"({Literal.Of(outputs)}, {f})"),
            Pointer("const bf16", "branches", shape + ": gate, up"), Pointer("bf16", "d_branches", shape + ", may be branches"), Value("int", "rows")),
            $"linear_overlapped_sm90<LinearTile<256, false, true, 3, LINEAR_CLUSTER, 2>>(\n    dy, w, rows, {f}, {Literal.Of(outputs)}, OverlappedSwiGluGradient{{branches, d_branches, {f}}});");
        var entry = c.Catalog.Add(new FusedLinearEntry(fused.Name, product, rest, width, fused, "Overlapped = true"));
        yield return $"SwiGluInputGradient({entry}, {c["dy"]}, {c["weight"]}, {c["branches"]}, {c["dx"]}, {c.Rows("dy")});";
    }

    private static IEnumerable<string> RotaryForward(CudaCall c)
    {
        var (width, inputs, rotary) = (c.Width("y"), c.Width("x"), c.Op<Rotary>());
        var (heads, head) = (rotary.Heads, rotary.HeadWidth);
        var product = c.Catalog.Add(CudaLinearKernels.Forward(width, inputs, "element", CudaLinearKernels.Stored.Plain));
        var rest = c.Catalog.Add(new SingleEntry(CudaElementwiseKernels.Rotation(heads, head, width, backward: false)));
        var fused = new CudaText($"linear_rotary_{Literal.Of(width)}x{Literal.Of(inputs)}_{Literal.Of(heads)}x{Literal.Of(head)}", Families, Threads, EquatableArray.Of(
            Map("x", $"(rows, {Literal.Of(inputs)})"), Map("w", $"({Literal.Of(width)}, {Literal.Of(inputs)})"), Map("y", $"(rows, {Literal.Of(width)})"), Value("int", "rows"),
            Pointer("const int", "positions", "(rows)"), Pointer("const float2", "table", $"(context, {Literal.Of(head / 2)}) cosine and sine")),
            $"linear_sm90<LinearTile<256, false, false, 4, LINEAR_CLUSTER>>(\n    x, w, rows, {Literal.Of(width)}, {Literal.Of(inputs)}, 1, RotaryStore<{Literal.Of(head)}, {Literal.Of(heads * head)}>{{y, positions, table, rows}});");
        var entry = c.Catalog.Add(new FusedLinearEntry(fused.Name, product, rest, heads * head / 2, fused, ""));
        yield return $"LinearRotary({entry}, {c["x"]}, {c["weight"]}, {c["y"]}, {c.Rows("x")}, {c["positions"]}, RotaryTable);";
    }

    private static IEnumerable<string> SumForward(CudaCall c)
    {
        var (width, inputs) = (c.Width("y"), c.Width("x"));
        var (residual, y) = (c.Element("residual"), c.Element("y"));
        var product = c.Catalog.Add(CudaLinearKernels.Forward(width, inputs, "element", CudaLinearKernels.Stored.Plain));
        var rest = c.Catalog.Add(new SingleEntry(CudaElementwiseKernels.Sum(width, residual, "element", y)));
        var shape = $"(rows, {Literal.Of(width)})";
        var store = $"AddTo<{residual}, {y}>";
        var fused = new CudaText($"linear_sum_{Literal.Of(width)}x{Literal.Of(inputs)}{Suffix(residual)}", Families, Threads, EquatableArray.Of(
            Map("x", $"(rows, {Literal.Of(inputs)})"), Map("w", $"({Literal.Of(width)}, {Literal.Of(inputs)})"),
            Pointer($"const {residual}", "residual", shape + ", may be y"), Pointer(y, "y", shape), Value("int", "rows")),
            $"linear_sm90<LinearTile<256, false, false, 4, LINEAR_CLUSTER>>(\n    x, w, rows, {Literal.Of(width)}, {Literal.Of(inputs)}, 1,\n    RowStore<{store}>{{{store}{{residual, y, {Literal.Of(width)}}}, rows, {Literal.Of(width)}}});");
        var entry = c.Catalog.Add(new FusedLinearEntry(fused.Name, product, rest, width, fused, ""));
        yield return $"LinearSum({entry}, {c["x"]}, {c["weight"]}, {c["residual"]}, {c["y"]}, {c.Rows("x")});";
    }

    private static EntryParameter Map(string name, string shape) => new(MapType, name, shape);
}
