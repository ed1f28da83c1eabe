namespace ModGen.Cpu;

/// <summary>The plain matrix product.</summary>
public static unsafe class Matrix
{
    /// <summary>c = a·b, all row-major: a (m, k), b (k, n), c (m, n).</summary>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Multiply(CpuWorkers workers, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(m);
        Guard.Positive(n);
        Guard.Positive(k);
        Guard.Holds(a, (long)m * k);
        Guard.Holds(b, (long)k * n);
        Guard.Holds(c, (long)m * n);
        fixed (float* pa = a, pb = b, pc = c)
            Gemm.Run(workers, m, n, k, new Operand(pa, k, 1), new Operand(pb, 1, n), pc, n, null, 0);
    }
}
