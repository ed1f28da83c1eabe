using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>The sigmoid linear unit, x·σ(x), element by element. Results may share memory with arguments.</summary>
public static unsafe class Silu
{
    private const int PieceFloats = 8192;

    /// <summary>y = x·σ(x).</summary>
    /// <exception cref="ArgumentException"><paramref name="y"/> is shorter than <paramref name="x"/>.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<float> x, Span<float> y)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Holds(y, x.Length);
        fixed (float* px = x, py = y)
            Run(workers, px, null, py, x.Length);
    }

    /// <summary>dx = dy·silu'(x).</summary>
    /// <exception cref="ArgumentException">A span is shorter than <paramref name="x"/>.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Holds(dy, x.Length);
        Guard.Holds(dx, x.Length);
        fixed (float* px = x, pdy = dy, pdx = dx)
            Run(workers, px, pdy, pdx, x.Length);
    }

    private static void Run(CpuWorkers workers, float* x, float* dy, float* result, int length)
    {
        if (length > 0)
            workers.Run(new Job(x, dy, result, length), Gemm.Ceiling(length, PieceFloats), 4L * length);
    }

    private readonly struct Job(float* x, float* dy, float* result, int length) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var end = Math.Min(length, (piece + 1) * PieceFloats);
            for (var i = piece * PieceFloats; i < end; i += V.Count)
            {
                var count = end - i;
                var value = SimdMath.Load<V>(x + i, count);
                var sigmoid = SimdMath.Sigmoid(value);
                var silu = value * sigmoid;
                if (dy is not null)
                    silu = SimdMath.Load<V>(dy + i, count) * V.MultiplyAdd(silu, V.Splat(1) - sigmoid, sigmoid);
                SimdMath.Store(result + i, silu, count);
            }
        }
    }
}
