using System;
using System.Collections.Generic;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Planning;
using static ModGen.Compiler.Emit.Cuda.CudaTexts;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>The head with its loss, in chunks of rows: the logits of a batch never exist as a whole.</summary>
internal static class CudaHeadKernels
{
    // A chunk's logits stay under 256 MiB in bfloat16, and a chunk of more than 8192 rows within the second-level cache.
    private const long ChunkElements = 128L << 20, CachedElements = 16L << 20, ChunkRows = 8192;

    // Logits of a row that a warp takes by itself; a longer row takes a block.
    private const int ShortRow = 1024;

    public static IReadOnlyList<CudaKernel> All { get; } =
    [
        CudaKernel.Fused("head_loss_gradient", FusedPatterns.HeadLossGradient, c => Chunks(c, gradient: true)),
        CudaKernel.Fused("head_loss", FusedPatterns.HeadLoss, c => Chunks(c, gradient: false)),
    ];

    private static IEnumerable<string> Chunks(CudaCall c, bool gradient)
    {
        var (width, vocabulary) = (c.Width("x"), c.Type("weight").Extents[0]);
        var chunk = Math.Max(128, Math.Min(ChunkElements / vocabulary, Math.Max(ChunkRows, CachedElements / vocabulary)) / 128 * 128);
        yield return $"var rows = {c.Most("x")};";
        yield return "var losses = WorkspaceHeld(4L * rows); // (rows) nats";
        yield return $"var logits = WorkspaceHeld(OperandBytes * {Literal.Of(vocabulary)}L * int.Min(rows, {Literal.Of(chunk)})); // of a chunk of rows";
        yield return $"for (var first = 0; first < rows; first += {Literal.Of(chunk)})";
        yield return "{";
        yield return $"    var chunk = Rows(int.Min(rows - first, {Literal.Of(chunk)}));";
        yield return $"    var input = {c["x"]} + OperandBytes * {Literal.Of(width)}L * first;";
        yield return "    " + CudaLinearKernels.Launch(c, CudaLinearKernels.Forward(vocabulary, width, "element", CudaLinearKernels.Stored.Plain), "input", c["weight"], "logits", "chunk");
        yield return "    " + (vocabulary <= ShortRow
            ? c.Statement(ShortCrossEntropy(vocabulary, gradient), "Blocks(chunk.Most, 8)", "logits", "Targets + 4L * first", "losses + 4L * first", "LossScale", "chunk.Most")
            : c.Statement(CrossEntropy(vocabulary, gradient), "chunk.Most", "logits", "Targets + 4L * first", "losses + 4L * first", "LossScale"));
        if (gradient)
        {
            yield return "    " + CudaLinearKernels.Launch(c, CudaLinearKernels.InputGradient(vocabulary, width), "logits", c["weight"], $"{c["dx"]} + OperandBytes * {Literal.Of(width)}L * first", "chunk");
            yield return "    " + CudaLinearKernels.Launch(c, CudaLinearKernels.WeightGradient(vocabulary, width), "logits", "input", c["dweight"], "chunk");
        }

        yield return "}";
        yield return "";
        yield return c.Statement(SumLosses, "1", "losses", "rows", "InverseTargets", "CrossEntropySlot");
        yield return "ReleaseWorkspace();";
    }

    private static CudaText CrossEntropy(int vocabulary, bool gradient)
    {
        // Up to eight words of 16 bytes a thread stay in registers, while two thousand threads fit a multiprocessor.
        var threads = vocabulary <= 2048 ? 256 : vocabulary <= 32768 ? 512 : 1024;
        return new CudaText($"cross_entropy_{Literal.Of(vocabulary)}{(gradient ? "_gradient" : "")}", "prelude vectors cross_entropy", threads, EquatableArray.Of(
            Pointer("element", "logits", $"(rows, {Literal.Of(vocabulary)}){(gradient ? ", their gradient after" : "")}"), Pointer("const int", "targets", "(rows)"),
            Pointer("float", "losses", "(rows)"), Pointer("const float", "loss_scale", "(1)")),
            $"cross_entropy<{Literal.Of(vocabulary)}, {Literal.Of(threads)}, {Flag(gradient)}>(logits, targets, losses, loss_scale);", Blocks: threads == 512 ? 2 : 1);
    }

    private static CudaText ShortCrossEntropy(int vocabulary, bool gradient) => new(
        $"cross_entropy_{Literal.Of(vocabulary)}{(gradient ? "_gradient" : "")}", "prelude vectors cross_entropy", 256, EquatableArray.Of(
            Pointer("element", "logits", $"(rows, {Literal.Of(vocabulary)}){(gradient ? ", their gradient after" : "")}"), Pointer("const int", "targets", "(rows)"),
            Pointer("float", "losses", "(rows)"), Pointer("const float", "loss_scale", "(1)"), Value("int", "rows")),
        $"cross_entropy_rows<{Literal.Of(vocabulary)}, {Flag(gradient)}>(logits, targets, losses, loss_scale, rows);");

    private static CudaText SumLosses { get; } = new("mean_loss", "prelude vectors cross_entropy", 1024, EquatableArray.Of(
        Pointer("const float", "losses", "(rows)"), Value("int", "rows"), Pointer("const float", "inverse_count", "(1)"), Pointer("float", "loss", "(1)")),
        "sum_losses(losses, rows, inverse_count, loss);");
}
