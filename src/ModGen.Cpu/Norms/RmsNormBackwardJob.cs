using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// dx = rstd·(dy·gain − x·rstd²·mean(dy·gain·x)) and, a partial sum for each chunk of rows, dgain = Σ dy·x·rstd.
/// </summary>
internal unsafe struct RmsNormBackwardJob : IJob
{
    public float* Dy, X, Gain, Rstd, Dx;

    /// <summary>Null, or rows to add to dx.</summary>
    public float* Residual;

    /// <summary>(chunks, Width).</summary>
    public float* Partial;
    public int Rows, Width, ChunkRows;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var dgain = Partial + (nint)piece * Width;
        new Span<float>(dgain, Width).Clear();
        var end = Math.Min(Rows, (piece + 1) * ChunkRows);
        for (var row = piece * ChunkRows; row < end; row++)
        {
            var offset = (nint)row * Width;
            var rstd = Rstd[row];
            var mean = Dot<V>(Dy + offset, X + offset) / Width;
            var residual = Residual is null ? null : Residual + offset;
            V scale = V.Splat(rstd), back = V.Splat(-rstd * rstd * rstd * mean);
            nint i = 0;
            for (; i <= Width - V.Count; i += V.Count)
                Step(Dy + offset + i, X + offset + i, Gain + i, residual is null ? null : residual + i, Dx + offset + i, dgain + i, scale, back, V.Count);
            if (i < Width)
                Step(Dy + offset + i, X + offset + i, Gain + i, residual is null ? null : residual + i, Dx + offset + i, dgain + i, scale, back, (int)(Width - i));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly float Dot<V>(float* dy, float* x)
        where V : struct, ILanes<V>
    {
        V first = V.Zero, second = V.Zero;
        nint i = 0;
        for (; i <= Width - 2 * V.Count; i += 2 * V.Count)
        {
            first = V.MultiplyAdd(V.Load(dy + i) * V.Load(Gain + i), V.Load(x + i), first);
            second = V.MultiplyAdd(V.Load(dy + i + V.Count) * V.Load(Gain + i + V.Count), V.Load(x + i + V.Count), second);
        }

        for (; i < Width; i += V.Count)
        {
            var count = (int)(Width - i);
            first = V.MultiplyAdd(SimdMath.Load<V>(dy + i, count) * SimdMath.Load<V>(Gain + i, count), SimdMath.Load<V>(x + i, count), first);
        }

        return V.Sum(first + second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<V>(float* dy, float* x, float* gain, float* residual, float* dx, float* dgain, V scale, V back, int count)
        where V : struct, ILanes<V>
    {
        V d = SimdMath.Load<V>(dy, count), value = SimdMath.Load<V>(x, count);
        var scaled = d * scale;
        SimdMath.Store(dgain, V.MultiplyAdd(scaled, value, SimdMath.Load<V>(dgain, count)), count);
        var result = V.MultiplyAdd(scaled, SimdMath.Load<V>(gain, count), back * value);
        if (residual is not null)
            result += SimdMath.Load<V>(residual, count);
        SimdMath.Store(dx, result, count);
    }
}
