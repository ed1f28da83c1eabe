namespace ModGen.Cpu;

/// <summary>Sums of tensors that no other kernel could take in.</summary>
public static unsafe class Elementwise
{
    private const int PieceFloats = 8192;

    /// <summary>sum = a + b; the sum may be the memory of either.</summary>
    /// <exception cref="ArgumentException">A span is shorter than <paramref name="a"/>.</exception>
    public static void Add(CpuWorkers workers, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> sum)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Holds(b, a.Length);
        Guard.Holds(sum, a.Length);
        if (a.IsEmpty)
            return;
        fixed (float* pa = a, pb = b, ps = sum)
            workers.Run(new Job(pa, pb, ps, a.Length), Gemm.Ceiling(a.Length, PieceFloats), a.Length);
    }

    private readonly struct Job(float* a, float* b, float* sum, int length) : IJob
    {
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var end = Math.Min(length, (piece + 1) * PieceFloats);
            for (var i = piece * PieceFloats; i < end; i += V.Count)
            {
                var count = Math.Min(V.Count, end - i);
                SimdMath.Store(sum + i, SimdMath.Load<V>(a + i, count) + SimdMath.Load<V>(b + i, count), count);
            }
        }
    }
}
