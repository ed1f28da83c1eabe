using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>target[column] += Σ over rows, always in row order within fixed slices of columns.</summary>
internal static unsafe class ColumnSums
{
    private const int PieceColumns = 64;

    public static void Add(CpuWorkers workers, float* source, float* target, int rows, int columns) =>
        workers.Run(new Job(source, target, rows, columns), Gemm.Ceiling(columns, PieceColumns), (long)rows * columns);

    private readonly struct Job(float* source, float* target, int rows, int columns) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var end = Math.Min(columns, (piece + 1) * PieceColumns);
            for (var column = piece * PieceColumns; column < end; column += V.Count)
            {
                var count = end - column;
                var sum = SimdMath.Load<V>(target + column, count);
                for (var row = 0; row < rows; row++)
                    sum += SimdMath.Load<V>(source + (nint)row * columns + column, count);
                SimdMath.Store(target + column, sum, count);
            }
        }
    }
}
