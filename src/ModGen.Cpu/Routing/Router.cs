using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>The router of a routed block: one score a token, r = w·x (Raposo et al. 2024, section 3.3).</summary>
public static unsafe class Router
{
    /// <summary>scores = x·w.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, width).</param>
    /// <param name="weight">(width).</param>
    /// <param name="scores">(rows), overwritten.</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Scores(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, Span<float> scores, int rows, int width)
    {
        Check(workers, x, weight, scores, rows, width);
        fixed (float* px = x, pw = weight, ps = scores)
            workers.Run(new ScoreJob(px, pw, ps, rows, width), Gemm.Ceiling(rows, Slices.Rows(rows, width)), (long)rows * width);
    }

    /// <summary>dx += dscores·wᵀ and dweight += xᵀ·dscores.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, width).</param>
    /// <param name="weight">(width).</param>
    /// <param name="dscores">(rows).</param>
    /// <param name="dx">(rows, width), added to.</param>
    /// <param name="dweight">(width), added to.</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> dscores, Span<float> dx, Span<float> dweight, int rows, int width)
    {
        Check(workers, x, weight, dscores, rows, width);
        Guard.Holds(dx, (long)rows * width);
        Guard.Holds(dweight, width);
        var scratch = workers.Rent();
        try
        {
            fixed (float* px = x, pw = weight, pds = dscores, pdx = dx, pdw = dweight)
            {
                var chunkRows = Slices.SumRows(rows);
                var chunks = Gemm.Ceiling(rows, chunkRows);
                var partial = scratch.Floats((long)chunks * width);
                workers.Run(new BackwardJob(px, pw, pds, pdx, partial, rows, width, chunkRows), chunks, 3L * rows * width);
                ColumnSums.Add(workers, partial, pdw, chunks, width);
            }
        }
        finally
        {
            workers.Return(scratch);
        }
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> scores, int rows, int width)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(width);
        Guard.Holds(x, (long)rows * width);
        Guard.Holds(weight, width);
        Guard.Holds(scores, rows);
    }

    private readonly struct ScoreJob(float* x, float* weight, float* scores, int rows, int width) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var pieceRows = Slices.Rows(rows, width);
            var end = Math.Min(rows, (piece + 1) * pieceRows);
            for (var row = piece * pieceRows; row < end; row++)
                scores[row] = SimdMath.Dot<V>(x + (nint)row * width, weight, width);
        }
    }

    private readonly struct BackwardJob(float* x, float* weight, float* dscores, float* dx, float* partial, int rows, int width, int chunkRows) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var dweight = partial + (nint)piece * width;
            new Span<float>(dweight, width).Clear();
            var end = Math.Min(rows, (piece + 1) * chunkRows);
            for (var row = piece * chunkRows; row < end; row++)
            {
                var offset = (nint)row * width;
                var score = V.Splat(dscores[row]);
                var i = 0;
                for (; i <= width - V.Count; i += V.Count)
                    Step(x + offset + i, dx + offset + i, weight + i, dweight + i, score, V.Count);
                if (i < width)
                    Step(x + offset + i, dx + offset + i, weight + i, dweight + i, score, width - i);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Step<V>(float* x, float* dx, float* weight, float* dweight, V score, int count)
            where V : struct, ILanes<V>
        {
            SimdMath.Store(dweight, V.MultiplyAdd(score, SimdMath.Load<V>(x, count), SimdMath.Load<V>(dweight, count)), count);
            SimdMath.Store(dx, V.MultiplyAdd(score, SimdMath.Load<V>(weight, count), SimdMath.Load<V>(dx, count)), count);
        }
    }
}
