using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;
using static ModGen.Compiler.Planning.Operand;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>What touches each element once: sums, roundings, activations, rotation, and the embedding.</summary>
internal static class CudaElementwiseKernels
{
    // Tokens whose positions a block of embedding_order lists.
    private const int EmbeddingRange = 256;

    // Blocks that share the positions of these tokens, as in embedding.cuh: so many that a small vocabulary is not listed by one block.
    private static int EmbeddingParts(int vocabulary) => vocabulary <= EmbeddingRange ? 32 : vocabulary <= 8 * EmbeddingRange ? 8 : 1;

    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.For<Embedding>("embedding",
            n => [Read("tokens", n.Inputs[0]), Read("table", n.Inputs[1]), Write("y", n.Output)], EmbeddingForward),
        CudaKernel.For<EmbeddingGradient>("embedding_gradient",
            n => [Read("tokens", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dtable", n.Output)], EmbeddingBackward),
        CudaKernel.For<Narrow>("narrow", n => [Read("x", n.Inputs[0]), Write("y", n.Output)], c =>
        {
            var width = Literal.Of(c.Width("x"));
            return c.Flat(Forwarding($"narrow_{width}", "vectors elementwise", $"narrow<{width}>",
                Pointer("const float", "x", $"(rows, {width})"), Pointer("element", "y", $"(rows, {width})"), Rows), "x", c.Width("x"), c["x"], c["y"]);
        }),
        CudaKernel.For<Add>("add", n => [Read("a", n.Inputs[0]), Read("b", n.Inputs[1]), Write("sum", n.Output, inPlaceOf: n.Inputs[0])], AddForward),
        CudaKernel.For<SwiGlu>("swiglu", n => [Read("x", n.Inputs[0]), Write("y", n.Output)], c => c.Flat(SwiGluForward(c.Width("y")), "y", c.Width("y"), c["x"], c["y"])),
        CudaKernel.For<SwiGluGradient>("swiglu_gradient",
            n => [Read("x", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dx", n.Output, inPlaceOf: n.Inputs[0])],
            c => c.Flat(SwiGluBackward(c.Width("dy")), "dy", c.Width("dy"), c["x"], c["dy"], c["dx"])),
        CudaKernel.For<Silu>("silu", n => [Read("x", n.Inputs[0]), Write("y", n.Output)], c =>
        {
            var width = Literal.Of(c.Width("x"));
            return c.Flat(Forwarding($"silu_{width}", "vectors elementwise", $"silu_fwd<{width}>",
                Pointer("const element", "x", $"(rows, {width})"), Pointer("element", "y", $"(rows, {width})"), Rows), "x", c.Width("x"), c["x"], c["y"]);
        }),
        CudaKernel.For<SiluGradient>("silu_gradient",
            n => [Read("x", n.Inputs[0]), Read("dy", n.Inputs[1]), Write("dx", n.Output, inPlaceOf: n.Inputs[1])], c =>
        {
            var width = Literal.Of(c.Width("x"));
            return c.Flat(Forwarding($"silu_gradient_{width}", "vectors elementwise", $"silu_bwd<{width}>",
                Pointer("const element", "x", $"(rows, {width})"), Pointer("const element", "dy", $"(rows, {width})"), Pointer("element", "dx", $"(rows, {width}), may be dy"), Rows),
                "x", c.Width("x"), c["x"], c["dy"], c["dx"]);
        }),
        CudaKernel.For<Rotary>("rotary",
            n => [Read("x", n.Inputs[0]), Read("positions", n.Inputs[1]), Overwrite("y", n.Output, over: n.Inputs[0])],
            c => Turn(c, "y", c.Op<Rotary>().Heads, c.Op<Rotary>().HeadWidth, backward: false)),
        CudaKernel.For<RotaryGradient>("rotary_gradient",
            n => [Read("dy", n.Inputs[0]), Read("positions", n.Inputs[1]), Overwrite("dx", n.Output, over: n.Inputs[0])],
            c => Turn(c, "dx", c.Op<RotaryGradient>().Heads, c.Op<RotaryGradient>().HeadWidth, backward: true)),
        CudaKernel.For<BiasGradient>("bias_gradient", n => [Read("dy", n.Inputs[0]), Write("dbias", n.Output)], c =>
        {
            var width = Literal.Of(c.Width("dy"));
            return c.WithColumnSums(Forwarding($"column_sums_{width}", "vectors elementwise", $"column_sums<{width}>",
                Pointer("const element", "dy", $"(rows, {width})"), Pointer("float", "partials", $"(blocks, {width})"), Rows), "dy", c.Width("dy"), c["dbias"], c["dy"]);
        }),
        // The last node of a loss term: reports carry the unweighted loss, and gradients carry the weight themselves.
        CudaKernel.Fused("loss_term",
            (m, n) => n.Op is Scale && m.Uses(n.Output).Count == 0 ? new KernelMatch([n], [Read("x", n.Inputs[0]), Write("y", n.Output)]) : null,
            _ => []),
    ];

    private static IEnumerable<string> AddForward(CudaCall c)
    {
        // One number a row, such as the gradient of scores, is one row of that width to the kernel.
        var scalars = c.Launch["a"].Type.Extents.Count < 2 && !c.Samples;
        var width = scalars ? 1 : c.Width("a");
        var (a, b, sum) = (c.Element("a"), c.Element("b"), c.Element("sum"));
        var text = Sum(width, a, b, sum);
        return scalars ? c.FlatScalars(text, "a", c["a"], c["b"], c["sum"]) : c.Flat(text, "a", width, c["a"], c["b"], c["sum"]);
    }

    /// <summary>The sum of two, element by element.</summary>
    public static CudaText Sum(int width, string a, string b, string sum) =>
        Forwarding($"add_{Literal.Of(width)}{Suffix(a)}{Suffix(b)}", "vectors elementwise", $"add<{Literal.Of(width)}, {a}, {b}, {sum}>",
            Pointer($"const {a}", "a", $"(rows, {Literal.Of(width)})"), Pointer($"const {b}", "b", $"(rows, {Literal.Of(width)})"),
            Pointer(sum, "sum", $"(rows, {Literal.Of(width)}), may be a or b"), Rows);

    private static IEnumerable<string> Turn(CudaCall c, string role, int heads, int headWidth, bool backward) =>
        c.Flat(Rotation(heads, headWidth, c.Width(role), backward), role, heads * headWidth / 2, c[role], c["positions"], "RotaryTable");

    /// <summary>Rotates the first heads of rows of <paramref name="stride"/> columns in place.</summary>
    public static CudaText Rotation(int heads, int headWidth, int stride, bool backward) => Forwarding(
        $"rotary_{(backward ? "gradient_" : "")}{Literal.Of(heads)}x{Literal.Of(headWidth)}_of_{Literal.Of(stride)}", "vectors elementwise",
        $"rotary<{Literal.Of(heads)}, {Literal.Of(headWidth)}, {Literal.Of(stride)}, {Flag(backward)}>",
        Pointer("element", "x", $"(rows, {Literal.Of(stride)})"), Pointer("const int", "positions", "(rows)"),
        Pointer("const float2", "table", $"(context, {Literal.Of(headWidth / 2)}) cosine and sine"), Rows);

    /// <summary>SwiGLU of two branches side by side.</summary>
    public static CudaText SwiGluForward(int width) => Forwarding($"swiglu_{Literal.Of(width)}", "vectors elementwise", $"swiglu_fwd<{Literal.Of(width)}>",
        Pointer("const element", "gate_up", $"(rows, 2 x {Literal.Of(width)})"), Pointer("element", "hidden", $"(rows, {Literal.Of(width)})"), Rows);

    /// <summary>The gradient of both branches of SwiGLU.</summary>
    public static CudaText SwiGluBackward(int width) => Forwarding($"swiglu_gradient_{Literal.Of(width)}", "vectors elementwise", $"swiglu_bwd<{Literal.Of(width)}>",
        Pointer("const element", "gate_up", $"(rows, 2 x {Literal.Of(width)})"), Pointer("const element", "d_hidden", $"(rows, {Literal.Of(width)})"),
        Pointer("element", "d_gate_up", $"(rows, 2 x {Literal.Of(width)}), may be gate_up"), Rows);

    private static IEnumerable<string> EmbeddingForward(CudaCall c)
    {
        var width = Literal.Of(c.Width("y"));
        return c.Flat(Forwarding($"embedding_{width}", "vectors embedding", $"embedding_fwd<{width}>",
            Pointer("const int", "tokens", "(rows)"), Pointer("const float", "table", $"(vocabulary, {width})"), Pointer("float", "stream", $"(rows, {width})"), Rows),
            "y", c.Width("y"), c["tokens"], c["table"], c["y"]);
    }

    private static IEnumerable<string> EmbeddingBackward(CudaCall c)
    {
        var (width, vocabulary) = (Literal.Of(c.Width("dy")), c.Op<EmbeddingGradient>().Vocabulary);
        var order = new CudaText($"embedding_order_{Literal.Of(vocabulary)}", "prelude vectors embedding", 1024, EquatableArray.Of(
            Pointer("const int", "tokens", "(rows)"), Pointer("int", "starts", $"({Literal.Of(vocabulary)} + 1)"), Pointer("int", "order", "(rows)"), Value("int", "rows")),
            $"embedding_order<{Literal.Of(vocabulary)}>(tokens, starts, order, rows);");
        var sums = Forwarding($"embedding_sums_{width}", "vectors embedding", $"embedding_chunk_sums<{width}>",
            Pointer("const int", "tokens", "(rows)"), Pointer("const int", "starts", "(vocabulary + 1)"), Pointer("const int", "order", "(rows)"), Pointer("const float", "d_stream", $"(rows, {width})"),
            Pointer("float", "gradient", $"(vocabulary, {width}), added to"), Pointer("float", "partials", $"(blocks, 2, {width})"), Value("int", "rows"));
        var rest = Forwarding($"embedding_rest_{width}", "vectors embedding", $"embedding_long_sums<{width}>",
            Pointer("const int", "tokens", "(rows)"), Pointer("const int", "starts", "(vocabulary + 1)"), Pointer("const int", "order", "(rows)"),
            Pointer("const float", "partials", $"(blocks, 2, {width})"), Pointer("float", "gradient", $"(vocabulary, {width}), added to"), Value("int", "rows"));
        var rows = c.Most("dy");
        yield return $"var rows = {rows};";
        yield return $"var starts = WorkspaceHeld({Literal.Of(4L * (vocabulary + 1))}); // where each token's positions begin";
        yield return "var order = WorkspaceHeld(4L * rows); // positions by token";
        yield return $"var partials = WorkspaceHeld(Blocks(rows, 32) * {Literal.Of(8L * c.Width("dy"))}L);";
        yield return c.Statement(order, Literal.Of((vocabulary + EmbeddingRange - 1) / EmbeddingRange * EmbeddingParts(vocabulary)), c["tokens"], "starts", "order", "rows");
        yield return c.Statement(sums, "Blocks(rows, 32)", c["tokens"], "starts", "order", c["dy"], c["dtable"], "partials", "rows");
        yield return c.Statement(rest, "Blocks(rows, 32)", c["tokens"], "starts", "order", "partials", c["dtable"], "rows");
        yield return "ReleaseWorkspace();";
    }
}
