using ModGen.Cpu;

namespace ModGen.Benchmarks;

/// <summary>Our product against OpenBLAS's, square and on the shapes of a width-512 model; GFLOP/s and the ratio.</summary>
internal static unsafe class GemmBenchmark
{
    private const int Rows = 4096;

    public static void Run(Report report)
    {
        Console.WriteLine($"OpenBLAS: {OpenBlas.Kernel ?? "not installed (apt-get install libopenblas0-pthread)"}, {report.Threads} thread(s), vectors of {CpuWorkers.VectorBits} bits");
        if (OpenBlas.Kernel is not null)
            OpenBlas.Threads(report.Threads);
        using var workers = new CpuWorkers(report.Threads);
        TileBenchmark.Run(report);
        foreach (var size in (int[])[512, 1024, 2048])
            Square(report, workers, size);
        foreach (var (name, inputs, outputs) in ((string, int, int)[])[("qkv", 512, 1536), ("o", 512, 512), ("gate/up", 512, 2816), ("down", 1408, 512)])
            Layer(report, workers, name, inputs, outputs);
    }

    private static void Square(Report report, CpuWorkers workers, int n)
    {
        if (!report.Wants($"square {n}"))
            return;
        using Buffer a = new(n * n), b = new(n * n), c = new(n * n), d = new(n * n);
        Compare(
            report, $"square {n}", 2.0 * n * n * n, c, d,
            () => Matrix.Multiply(workers, a.Span, b.Span, c.Span, n, n, n),
            () => OpenBlas.Multiply(false, false, n, n, n, a.Pointer, n, b.Pointer, n, 0, d.Pointer, n));
    }

    private static void Layer(Report report, CpuWorkers workers, string name, int inputs, int outputs)
    {
        var flops = 2.0 * Rows * inputs * outputs;
        using Buffer x = new(Rows * inputs), w = new(outputs * inputs), y = new(Rows * outputs), y2 = new(Rows * outputs);
        using Buffer dx = new(Rows * inputs), dx2 = new(Rows * inputs), dw = new(outputs * inputs), dw2 = new(outputs * inputs);
        if (report.Wants($"{name} forward"))
        {
            Compare(
                report, $"{name} forward", flops, y, y2,
                () => Linear.Forward(workers, x.Span, w.Span, y.Span, Rows, inputs, outputs),
                () => OpenBlas.Multiply(false, true, Rows, outputs, inputs, x.Pointer, inputs, w.Pointer, inputs, 0, y2.Pointer, outputs));
        }

        if (report.Wants($"{name} input gradient"))
        {
            Compare(
                report, $"{name} input gradient", flops, dx, dx2,
                () => Linear.InputGradient(workers, y.Span, w.Span, dx.Span, Rows, inputs, outputs),
                () => OpenBlas.Multiply(false, false, Rows, inputs, outputs, y.Pointer, outputs, w.Pointer, inputs, 0, dx2.Pointer, inputs));
        }

        if (report.Wants($"{name} weight gradient"))
        {
            Compare(
                report, $"{name} weight gradient", flops, dw, dw2,
                () => Linear.WeightGradient(workers, x.Span, y.Span, dw.Span, Rows, inputs, outputs),
                () => OpenBlas.Multiply(true, false, outputs, inputs, Rows, y.Pointer, outputs, x.Pointer, inputs, 1, dw2.Pointer, inputs));
        }
    }

    private static void Compare(Report report, string name, double flops, Buffer ours, Buffer theirs, Action our, Action their)
    {
        if (OpenBlas.Kernel is null)
        {
            report.Add(name, ("GFLOP/s", flops / report.Seconds(our)[0] / 1e9));
            return;
        }

        // The same product is made, or the figures mean nothing; accumulating results start equal.
        ours.Span.Clear();
        theirs.Span.Clear();
        our();
        their();
        var scale = 0f;
        var worst = 0f;
        for (var i = 0; i < ours.Span.Length; i++)
        {
            scale = Math.Max(scale, Math.Abs(theirs.Span[i]));
            worst = Math.Max(worst, Math.Abs(ours.Span[i] - theirs.Span[i]));
        }

        if (!(worst <= 1e-4f * scale))
            throw new InvalidOperationException($"{name}: results differ by {worst} where the largest is {scale}.");
        var seconds = report.Seconds(our, their);
        report.Add(name, ("GFLOP/s", flops / seconds[0] / 1e9), ("OpenBLAS", flops / seconds[1] / 1e9), ("ratio", seconds[1] / seconds[0]));
    }
}
