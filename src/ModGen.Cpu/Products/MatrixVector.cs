using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// y = source + x·Wᵀ for few rows, as decoding has them: each piece streams its rows of the weights from memory once,
/// four at a time, and meets all rows of x with them while they are in the first cache.
/// </summary>
internal static unsafe class MatrixVector
{
    /// <summary>Up to so many rows this is faster than packing the weights.</summary>
    public const int MaximumRows = 12;

    private const int PieceOutputs = 64;

    public static void Run(CpuWorkers workers, float* x, float* weight, float* y, float* source, nint strideSource, int rows, int inputs, int outputs) =>
        workers.Run(new Job(x, weight, y, source, strideSource, rows, inputs, outputs), Gemm.Ceiling(outputs, PieceOutputs), (long)outputs * inputs);

    private readonly struct Job(float* x, float* weight, float* y, float* source, nint strideSource, int rows, int inputs, int outputs) : IJob
    {
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var end = Math.Min(outputs, (piece + 1) * PieceOutputs);
            var sums = stackalloc float[8];
            for (var output = piece * PieceOutputs; output < end; output += 4)
            {
                // The last group repeats its last row rather than reading beyond.
                var group = Math.Min(4, end - output);
                var w0 = weight + (nint)output * inputs;
                var w1 = w0 + (group > 1 ? inputs : 0);
                var w2 = w1 + (group > 2 ? inputs : 0);
                var w3 = w2 + (group > 3 ? inputs : 0);
                for (var row = 0; row < rows; row += 2)
                {
                    if (row + 1 < rows)
                        TwoRows<V>(x + (nint)row * inputs, x + (nint)(row + 1) * inputs, w0, w1, w2, w3, inputs, sums);
                    else
                        OneRow<V>(x + (nint)row * inputs, w0, w1, w2, w3, inputs, sums);
                    Put(row, output, group, sums);
                    if (row + 1 < rows)
                        Put(row + 1, output, group, sums + 4);
                }
            }
        }

        private void Put(int row, int output, int group, float* sums)
        {
            for (var i = 0; i < group; i++)
            {
                var added = source is null ? 0 : source[row * strideSource + output + i];
                y[(nint)row * outputs + output + i] = added + sums[i];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow<V>(float* x, float* w0, float* w1, float* w2, float* w3, int length, float* sums)
        where V : struct, ILanes<V>
    {
        V a0 = V.Zero, a1 = V.Zero, a2 = V.Zero, a3 = V.Zero;
        V b0 = V.Zero, b1 = V.Zero, b2 = V.Zero, b3 = V.Zero;
        nint i = 0;
        for (; i <= length - 2 * V.Count; i += 2 * V.Count)
        {
            V xa = V.Load(x + i), xb = V.Load(x + i + V.Count);
            a0 = V.MultiplyAdd(xa, V.Load(w0 + i), a0);
            a1 = V.MultiplyAdd(xa, V.Load(w1 + i), a1);
            a2 = V.MultiplyAdd(xa, V.Load(w2 + i), a2);
            a3 = V.MultiplyAdd(xa, V.Load(w3 + i), a3);
            b0 = V.MultiplyAdd(xb, V.Load(w0 + i + V.Count), b0);
            b1 = V.MultiplyAdd(xb, V.Load(w1 + i + V.Count), b1);
            b2 = V.MultiplyAdd(xb, V.Load(w2 + i + V.Count), b2);
            b3 = V.MultiplyAdd(xb, V.Load(w3 + i + V.Count), b3);
        }

        for (; i < length; i += V.Count)
        {
            var count = (int)(length - i);
            var xa = SimdMath.Load<V>(x + i, count);
            a0 = V.MultiplyAdd(xa, SimdMath.Load<V>(w0 + i, count), a0);
            a1 = V.MultiplyAdd(xa, SimdMath.Load<V>(w1 + i, count), a1);
            a2 = V.MultiplyAdd(xa, SimdMath.Load<V>(w2 + i, count), a2);
            a3 = V.MultiplyAdd(xa, SimdMath.Load<V>(w3 + i, count), a3);
        }

        sums[0] = V.Sum(a0 + b0);
        sums[1] = V.Sum(a1 + b1);
        sums[2] = V.Sum(a2 + b2);
        sums[3] = V.Sum(a3 + b3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoRows<V>(float* x0, float* x1, float* w0, float* w1, float* w2, float* w3, int length, float* sums)
        where V : struct, ILanes<V>
    {
        V a0 = V.Zero, a1 = V.Zero, a2 = V.Zero, a3 = V.Zero;
        V b0 = V.Zero, b1 = V.Zero, b2 = V.Zero, b3 = V.Zero;
        for (nint i = 0; i < length; i += V.Count)
        {
            var count = (int)(length - i);
            V xa = SimdMath.Load<V>(x0 + i, count), xb = SimdMath.Load<V>(x1 + i, count);
            V v0 = SimdMath.Load<V>(w0 + i, count), v1 = SimdMath.Load<V>(w1 + i, count);
            V v2 = SimdMath.Load<V>(w2 + i, count), v3 = SimdMath.Load<V>(w3 + i, count);
            a0 = V.MultiplyAdd(xa, v0, a0);
            a1 = V.MultiplyAdd(xa, v1, a1);
            a2 = V.MultiplyAdd(xa, v2, a2);
            a3 = V.MultiplyAdd(xa, v3, a3);
            b0 = V.MultiplyAdd(xb, v0, b0);
            b1 = V.MultiplyAdd(xb, v1, b1);
            b2 = V.MultiplyAdd(xb, v2, b2);
            b3 = V.MultiplyAdd(xb, v3, b3);
        }

        sums[0] = V.Sum(a0);
        sums[1] = V.Sum(a1);
        sums[2] = V.Sum(a2);
        sums[3] = V.Sum(a3);
        sums[4] = V.Sum(b0);
        sums[5] = V.Sum(b1);
        sums[6] = V.Sum(b2);
        sums[7] = V.Sum(b3);
    }
}
