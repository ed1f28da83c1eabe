using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>SwiGLU (Shazeer 2020): y = silu(gate)·up with silu(g) = g·σ(g); a row holds the gate half, then the up half.</summary>
public static unsafe class SwiGlu
{
    /// <summary>y = silu(gate)·up.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="gateUp">(rows, 2·hidden).</param>
    /// <param name="y">(rows, hidden), overwritten.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="hidden">Width of a half.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<float> gateUp, Span<float> y, int rows, int hidden)
    {
        Check(workers, gateUp, y, rows, hidden);
        fixed (float* px = gateUp, py = y)
            Run(workers, new Job(px, null, py, rows, hidden));
    }

    /// <summary>dgateUp = the gradient of both halves; it may be the memory of gateUp.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="gateUp">(rows, 2·hidden), from the forward pass.</param>
    /// <param name="dy">(rows, hidden).</param>
    /// <param name="dgateUp">(rows, 2·hidden), overwritten.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="hidden">Width of a half.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<float> gateUp, ReadOnlySpan<float> dy, Span<float> dgateUp, int rows, int hidden)
    {
        Check(workers, gateUp, dy, rows, hidden);
        Guard.Holds(dgateUp, 2L * rows * hidden);
        fixed (float* px = gateUp, pdy = dy, pdx = dgateUp)
            Run(workers, new Job(px, pdy, pdx, rows, hidden));
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<float> gateUp, ReadOnlySpan<float> y, int rows, int hidden)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(hidden);
        Guard.Holds(gateUp, 2L * rows * hidden);
        Guard.Holds(y, (long)rows * hidden, "(rows, hidden)");
    }

    private static void Run(CpuWorkers workers, Job job) => workers.Run(job, job.Pieces, 8L * job.Rows * job.Hidden);

    // Rows are little more than a page, too short for the hardware to run far ahead.
    private const int Ahead = 512;

    private readonly struct Job(float* gateUp, float* dy, float* result, int rows, int hidden) : IJob
    {
        public int Rows => rows;

        public int Hidden => hidden;

        public int Pieces => Gemm.Ceiling(rows, Slices.Rows(rows, hidden));

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var pieceRows = Slices.Rows(rows, hidden);
            var end = Math.Min(rows, (piece + 1) * pieceRows);
            for (var row = piece * pieceRows; row < end; row++)
            {
                var gate = gateUp + (nint)row * 2 * hidden;
                if (dy is null)
                    Forward<V>(gate, result + (nint)row * hidden);
                else
                    Backward<V>(gate, dy + (nint)row * hidden, result + (nint)row * 2 * hidden);
            }
        }

        // One step a method, whole vectors and the remainder alike: a second copy of its exponential would exhaust what the
        // JIT is ready to inline, and every vector operation would become a call.
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        private void Forward<V>(float* gate, float* y)
            where V : struct, ILanes<V>
        {
            for (var i = 0; i < hidden; i += V.Count)
            {
                V.Prefetch(gate + i + Ahead);
                V.Prefetch(gate + i + hidden + Ahead);
                var count = hidden - i;
                V g = SimdMath.Load<V>(gate + i, count), up = SimdMath.Load<V>(gate + i + hidden, count);
                SimdMath.Store(y + i, g * SimdMath.Sigmoid(g) * up, count);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        private void Backward<V>(float* gate, float* dy, float* dgate)
            where V : struct, ILanes<V>
        {
            for (var i = 0; i < hidden; i += V.Count)
            {
                V.Prefetch(gate + i + Ahead);
                V.Prefetch(gate + i + hidden + Ahead);
                var count = hidden - i;
                V g = SimdMath.Load<V>(gate + i, count), up = SimdMath.Load<V>(gate + i + hidden, count), d = SimdMath.Load<V>(dy + i, count);
                var sigmoid = SimdMath.Sigmoid(g);
                var silu = g * sigmoid;
                // silu' = σ + g·σ·(1 − σ)
                var slope = V.MultiplyAdd(silu, V.Splat(1) - sigmoid, sigmoid);
                SimdMath.Store(dgate + i, d * up * slope, count);
                SimdMath.Store(dgate + i + hidden, d * silu, count);
            }
        }
    }
}
