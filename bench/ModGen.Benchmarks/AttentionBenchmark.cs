using ModGen.Cpu;

namespace ModGen.Benchmarks;

/// <summary>Causal attention in GFLOP/s of the products that causality needs, beside a matrix product in the same run.</summary>
internal static class AttentionBenchmark
{
    public static void Run(Report report)
    {
        using var workers = new CpuWorkers(report.Threads);
        foreach (var (batch, length, heads, groups, width) in ((int, int, int, int, int)[])[(8, 512, 8, 8, 64), (8, 512, 8, 2, 64), (16, 256, 8, 8, 32), (64, 64, 8, 8, 64), (2, 2048, 8, 8, 64), (8, 512, 4, 4, 128)])
            Training(report, workers, batch, length, heads, groups, width);
        foreach (var (length, heads, groups, width) in ((int, int, int, int)[])[(512, 8, 8, 64), (8192, 8, 8, 64), (65536, 8, 8, 64), (65536, 8, 2, 64)])
            Decoding(report, workers, length, heads, groups, width);
        Prefill(report, workers, 512, 8, 8, 64);
        Prefill(report, workers, 2048, 8, 2, 64);
    }

    private static void Training(Report report, CpuWorkers workers, int batch, int length, int heads, int groups, int width)
    {
        var name = $"{batch}x{length}, {heads}/{groups} heads of {width}";
        if (!report.Wants(name))
            return;
        var stride = (heads + 2 * groups) * width;
        using Buffer qkv = new(batch * length * stride), o = new(batch * length * heads * width), lse = new(batch * length * heads);
        using Buffer d = new(batch * length * heads * width), dqkv = new(batch * length * stride);
        using Buffer a = new(1024 * 1024), b = new(1024 * 1024), c = new(1024 * 1024);
        var seconds = report.Seconds(
            () => CausalAttention.Forward(workers, qkv.Span, o.Span, lse.Span, batch, length, heads, groups, width),
            () => CausalAttention.Backward(workers, qkv.Span, o.Span, lse.Span, d.Span, dqkv.Span, batch, length, heads, groups, width),
            () => Matrix.Multiply(workers, a.Span, b.Span, c.Span, 1024, 1024, 1024));
        // A product over all visible pairs: 2·width·length²/2 a head, two of them forward, five backward.
        var product = (double)batch * heads * width * length * (length + 1);
        var gemm = 2.0 * 1024 * 1024 * 1024 / seconds[2] / 1e9;
        report.Add(
            name, ("forward GFLOP/s", 2 * product / seconds[0] / 1e9), ("of GEMM", 2 * product / seconds[0] / 1e9 / gemm),
            ("backward GFLOP/s", 5 * product / seconds[1] / 1e9), ("of GEMM", 5 * product / seconds[1] / 1e9 / gemm));
    }

    private static void Decoding(Report report, CpuWorkers workers, int length, int heads, int groups, int width)
    {
        var name = $"decode at {length}, {heads}/{groups} heads of {width}";
        if (!report.Wants(name))
            return;
        using var cache = Filled(length, heads, groups, width);
        using Buffer qkv = new((heads + 2 * groups) * width), o = new(heads * width);
        var seconds = report.Seconds(() => CachedAttention.Forward(workers, qkv.Span, cache, [0], [length], o.Span, 1, heads, groups, width))[0];
        report.Add(name, ("microseconds", seconds * 1e6), ("GB/s", 8.0 * length * groups * width / seconds / 1e9));
    }

    private static void Prefill(Report report, CpuWorkers workers, int length, int heads, int groups, int width)
    {
        var name = $"prefill of {length}, {heads}/{groups} heads of {width}";
        if (!report.Wants(name))
            return;
        using var cache = Filled(length, heads, groups, width);
        using Buffer qkv = new(length * (heads + 2 * groups) * width), o = new(length * heads * width);
        var sequences = new int[length];
        var visible = Enumerable.Range(1, length).ToArray();
        var seconds = report.Seconds(() => CachedAttention.Forward(workers, qkv.Span, cache, sequences, visible, o.Span, length, heads, groups, width))[0];
        report.Add(name, ("microseconds", seconds * 1e6), ("GFLOP/s", 2.0 * heads * width * length * (length + 1) / seconds / 1e9));
    }

    private static KeyValueCache Filled(int length, int heads, int groups, int width)
    {
        var cache = new KeyValueCache(1, length, length, groups, width);
        using Buffer rows = new(64 * (heads + 2 * groups) * width);
        for (var i = 0; i < length; i += 64)
            cache.Append(rows.Span, new int[64], new int[64], 64, heads);
        return cache;
    }
}
