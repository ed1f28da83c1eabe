using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// y = source + x·Wᵀ for few rows, as decoding has them: each piece streams its rows of the weights from memory once,
/// four at a time, and meets all rows of x with them while they are in the first cache.
/// </summary>
internal static unsafe class MatrixVector
{
    /// <summary>Up to so many rows this is faster than packing the weights.</summary>
    public const int MaximumRows = 16;

    private const int PieceOutputs = 64;

    public static void Run(CpuWorkers workers, float* x, float* weight, float* y, float* source, nint strideSource, int rows, int inputs, int outputs) =>
        workers.Run(new Job(x, weight, y, source, strideSource, rows, inputs, outputs), Gemm.Ceiling(outputs, PieceOutputs), (long)outputs * inputs);

    private readonly struct Job(float* x, float* weight, float* y, float* source, nint strideSource, int rows, int inputs, int outputs) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var end = Math.Min(outputs, (piece + 1) * PieceOutputs);
            var sums = stackalloc float[16];
            for (var output = piece * PieceOutputs; output < end; output += 4)
            {
                var group = Math.Min(4, end - output);
                var w = new Lines(weight + (nint)output * inputs, inputs, group);
                for (var row = 0; row < rows; row += 4)
                {
                    // The next four rows of the weights lie right behind these; their streams are too short for the
                    // hardware to run ahead of. One visit per group asks for them.
                    var ahead = row == 0 ? 4 * (nint)inputs : 0;
                    var block = Math.Min(4, rows - row);
                    var lines = new Lines(x + (nint)row * inputs, inputs, block);
                    if (block == 1)
                        MatrixVectorBlocks.OneRow<V>(lines.A, w, inputs, ahead, sums);
                    else if (block == 2)
                        MatrixVectorBlocks.TwoRows<V>(lines, w, inputs, ahead, sums);
                    else
                        MatrixVectorBlocks.FourRows<V>(lines, w, inputs, ahead, sums);
                    for (var i = 0; i < block; i++)
                        Put(row + i, output, group, sums + 4 * i);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Put(int row, int output, int group, float* sums)
        {
            var sum = Lanes128.Load(sums);
            if (source is not null)
                sum += SimdMath.Load<Lanes128>(source + row * strideSource + output, group);
            SimdMath.Store(y + (nint)row * outputs + output, sum, group);
        }
    }

    /// <summary>Four rows of a matrix. Where fewer are left the last repeats, so that nothing beyond is read.</summary>
    internal readonly struct Lines(float* first, nint stride, int present)
    {
        public readonly float* A = first;
        public readonly float* B = first + Math.Min(1, present - 1) * stride;
        public readonly float* C = first + Math.Min(2, present - 1) * stride;
        public readonly float* D = first + Math.Min(3, present - 1) * stride;
    }
}
