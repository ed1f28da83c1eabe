using ModGen.Cpu;

namespace ModGen.Benchmarks;

/// <summary>
/// Everything that is bound by memory, in GB/s of what it must read and write, beside a copy and a read by as many
/// threads: rows 4096 of width 512 as in training, and the products of decoding.
/// </summary>
internal static unsafe class KernelBenchmark
{
    private const int Rows = 4096;
    private const int Width = 512;

    public static void Run(Report report)
    {
        using var workers = new CpuWorkers(report.Threads);
        var (copy, read) = Bandwidth(report, workers);
        Elementwise(report, workers, copy);
        Decoding(report, workers, read);
    }

    private static (double Copy, double Read) Bandwidth(Report report, CpuWorkers workers)
    {
        const int Length = 32 << 20;
        using Buffer a = new(Length), b = new(Length);
        var part = Length / report.Threads;
        var threads = Enumerable.Range(0, report.Threads).Select(i => i * part).ToArray();
        var seconds = report.Seconds(
            () =>
            {
                if (threads.Length == 1)
                    a.Span.CopyTo(b.Span);
                else
                    Parallel.ForEach(threads, begin => a.Span.Slice(begin, part).CopyTo(b.Span[begin..]));
            },
            () => Reduction.SumOfSquares(workers, a.Span));
        var (copy, read) = (8.0 * Length / seconds[0] / 1e9, 4.0 * Length / seconds[1] / 1e9);
        report.Add("bandwidth of 128 MB", ("copy GB/s", copy), ("read GB/s", read));
        return (copy, read);
    }

    private static void Elementwise(Report report, CpuWorkers workers, double copy)
    {
        using Buffer x = new(Rows * Width), a = new(Rows * Width), y = new(Rows * Width), z = new(Rows * Width), gain = new(Width), rstd = new(Rows), dgain = new(Width);
        using Buffer gateUp = new(Rows * 2816), hidden = new(Rows * 1408), dgateUp = new(Rows * 2816), qkv = new(Rows * 1536), cos = new(512 * 32), sin = new(512 * 32);
        using Buffer parameters = new(8 << 20), gradients = new(8 << 20), first = new(8 << 20), second = new(8 << 20), gates = new(512), logits = new(Rows);
        first.Span.Clear();
        second.Span.Fill(1);
        Rotary.FillTable(cos.Span, sin.Span, 512, 64, 10_000);
        var positions = Enumerable.Range(0, Rows).Select(i => i % 512).ToArray();
        var tokens = Enumerable.Range(0, Rows).Select(i => i * 37 % 256).ToArray();
        var indices = Enumerable.Range(0, 512).Select(i => i % 64 * 8).ToArray();
        const double Block = 4.0 * Rows * Width;
        void Measure(string name, double bytes, Action action)
        {
            if (!report.Wants(name))
                return;
            var seconds = report.Seconds(action)[0];
            report.Add(name, ("microseconds", seconds * 1e6), ("GB/s", bytes / seconds / 1e9), ("of copy", bytes / seconds / 1e9 / copy));
        }

        Measure("copy of a block (8 MB)", 2 * Block, () => x.Span.CopyTo(y.Span));
        Measure("rms norm", 2 * Block, () => RmsNorm.Forward(workers, x.Span, gain.Span, y.Span, rstd.Span, Rows, Width, 1e-5f));
        Measure("add + rms norm", 4 * Block, () => RmsNorm.AddForward(workers, x.Span, a.Span, gain.Span, z.Span, y.Span, rstd.Span, Rows, Width, 1e-5f));
        Measure("rms norm backward, add", 4 * Block, () => RmsNorm.BackwardAdd(workers, x.Span, a.Span, gain.Span, rstd.Span, z.Span, y.Span, dgain.Span, Rows, Width));
        Measure("rotary", 4 * Block, () => Rotary.Forward(workers, qkv.Span, positions, cos.Span, sin.Span, Rows, 1536, 16, 64));
        Measure("swiglu", 12.0 * Rows * 1408, () => SwiGlu.Forward(workers, gateUp.Span, hidden.Span, Rows, 1408));
        Measure("swiglu backward", 20.0 * Rows * 1408, () => SwiGlu.Backward(workers, gateUp.Span, hidden.Span, dgateUp.Span, Rows, 1408));
        Measure("embedding", 2 * Block, () => Embedding.Forward(workers, tokens, x.Span, y.Span, Rows, Width));
        Measure("embedding backward", Block, () => Embedding.Backward(workers, tokens, x.Span, y.Span, Rows, Width, 256));
        Measure("router scores", Block, () => Router.Scores(workers, x.Span, gain.Span, rstd.Span, Rows, Width));
        Measure("router backward", 3 * Block, () => Router.Backward(workers, x.Span, gain.Span, rstd.Span, y.Span, dgain.Span, Rows, Width));
        Measure("top-k 64 of 512, 8 sequences", 4.0 * Rows, () => TopK.Select(workers, logits.Span, indices, 8, 512, 64));
        Measure("routing loss", 4.0 * Rows, () => RoutingLoss.Forward(workers, logits.Span, indices, 8, 512, 64));
        Measure("routing loss backward", 4.0 * Rows, () => RoutingLoss.Backward(workers, logits.Span, indices, rstd.Span, 1e-6f, 8, 512, 64));
        Measure("gather", 8.0 * 512 * Width, () => Cpu.Rows.Gather(workers, x.Span, indices, y.Span, 8, 512, 64, Width));
        Measure("gated scatter", 2 * Block, () => Cpu.Rows.ScatterAddScaled(workers, x.Span, indices, a.Span, gates.Span, y.Span, 8, 512, 64, Width));
        Measure("adamw, 8 M parameters", 28.0 * (8 << 20), () => AdamWKernel.Step(workers, parameters.Span, gradients.Span, first.Span, second.Span, 1e-9f, 0.9f, 0.99f, 1e-8f, 0.1f, 1, 10));
        Measure("sum of squares, 8 M", 4.0 * (8 << 20), () => Reduction.SumOfSquares(workers, gradients.Span));
        Measure("call: rms norm of one row", 8.0 * Width, () => RmsNorm.Forward(workers, x.Span, gain.Span, y.Span, rstd.Span, 1, Width, 1e-5f));
        Measure("call: product of one row, 64 x 64", 4.0 * 64 * 64, () => Linear.Forward(workers, x.Span, a.Span, y.Span, 1, 64, 64));
        Measure("call: product of one row, 512 x 512", Block / 8, () => Linear.Forward(workers, x.Span, a.Span, y.Span, 1, 512, 512));
        Measure("silu (exp), 16 K in cache", 8.0 * 16384, () => Silu.Forward(workers, x.Span[..16384], y.Span));
        Measure("TensorPrimitives.Exp, 16 K", 8.0 * 16384, () => System.Numerics.Tensors.TensorPrimitives.Exp(x.Span[..16384], y.Span));
    }

    // 96 MB of weights, so that every product reads them from memory as a decode step does.
    private static void Decoding(Report report, CpuWorkers workers, double read)
    {
        foreach (var (inputs, outputs) in ((int, int)[])[(512, 1536), (512, 2816), (1408, 512), (512, 32_768)])
        {
            var size = inputs * outputs;
            var matrices = Math.Max(1, (24 << 20) / size);
            using Buffer weights = new(matrices * size), x = new(16 * inputs), y = new(16 * outputs);
            foreach (var rows in (int[])[1, 2, 4, 8, 12, 16])
            {
                var name = $"decode {rows} x ({outputs}, {inputs})";
                if (!report.Wants(name))
                    continue;
                var seconds = report.Seconds(() =>
                {
                    for (var i = 0; i < matrices; i++)
                        Linear.Forward(workers, x.Span, weights.Span.Slice(i * size, size), y.Span, rows, inputs, outputs);
                })[0] / matrices;
                report.Add(name, ("microseconds", seconds * 1e6), ("GB/s", 4.0 * size / seconds / 1e9), ("of read", 4.0 * size / seconds / 1e9 / read));
            }
        }
    }
}
