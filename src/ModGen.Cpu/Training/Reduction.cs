using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ModGen.Cpu;

/// <summary>Questions about a whole span.</summary>
public static unsafe class Reduction
{
    private const int ChunkFloats = 65536;

    /// <summary>Σ x², in double over fixed chunks summed in order; NaN and infinities come through.</summary>
    public static double SumOfSquares(CpuWorkers workers, ReadOnlySpan<float> x)
    {
        ArgumentNullException.ThrowIfNull(workers);
        if (x.IsEmpty)
            return 0;
        var chunks = Gemm.Ceiling(x.Length, ChunkFloats);
        var scratch = workers.Rent();
        try
        {
            var sums = (double*)scratch.Floats(2L * chunks);
            fixed (float* px = x)
                workers.Run(new Job(px, sums, x.Length), chunks, x.Length);
            var total = 0.0;
            for (var i = 0; i < chunks; i++)
                total += sums[i];
            return total;
        }
        finally
        {
            workers.Return(scratch);
        }
    }

    /// <summary>The first index that holds NaN or an infinity, or −1.</summary>
    public static int FirstNonFinite(ReadOnlySpan<float> x)
    {
        var i = 0;
        var exponent = Vector256.Create(0x7F80_0000);
        for (; i <= x.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            if (Vector256.EqualsAny(Vector256.Create(x[i..]).AsInt32() & exponent, exponent))
                break;
        }

        for (; i < x.Length; i++)
        {
            if (!float.IsFinite(x[i]))
                return i;
        }

        return -1;
    }

    // Lanes of double have half the width; the same four-lane code serves every machine and gives the same sum on all.
    private readonly struct Job(float* x, double* sums, int length) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var i = (long)piece * ChunkFloats;
            var end = Math.Min(length, i + ChunkFloats);
            Vector256<double> a = Vector256<double>.Zero, b = a, c = a, d = a;
            for (; i <= end - 16; i += 16)
            {
                var (a1, b1) = Vector256.Widen(Vector256.Load(x + i));
                var (c1, d1) = Vector256.Widen(Vector256.Load(x + i + 8));
                a += a1 * a1;
                b += b1 * b1;
                c += c1 * c1;
                d += d1 * d1;
            }

            var sum = Vector256.Sum(a + b + (c + d));
            for (; i < end; i++)
                sum += (double)x[i] * x[i];
            sums[piece] = sum;
        }
    }
}
