using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>The three forward norms: plain, after an addition, and of gathered rows. A row is read once and stays in the first cache.</summary>
internal unsafe struct RmsNormForwardJob : IJob
{
    public float* X, Gain, Y, Rstd;

    /// <summary>Null, or rows added to those of X.</summary>
    public float* Added;

    /// <summary>Null, or where the normalised row itself is kept.</summary>
    public float* Kept;

    /// <summary>Null, or (batch, Count) positions to gather from sequences of Length.</summary>
    public int* Indices;
    public int Length, Count;
    public int Rows, Width;
    public float Epsilon;

    public readonly int Pieces => Gemm.Ceiling(Rows, Slices.Rows(Rows, Width));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var rows = Slices.Rows(Rows, Width);
        var end = Math.Min(Rows, (piece + 1) * rows);
        for (var row = piece * rows; row < end; row++)
        {
            var source = Indices is null ? row : (nint)(row / Count) * Length + Indices[row];
            var offset = (nint)row * Width;
            var x = X + source * Width;
            var squares = SumOfSquares<V>(x, Added is null ? null : Added + offset, Kept is null ? null : Kept + offset);
            var rstd = 1 / MathF.Sqrt(squares / Width + Epsilon);
            Rstd[row] = rstd;
            Scale<V>(Kept is null ? x : Kept + offset, rstd, Y + offset);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly float SumOfSquares<V>(float* x, float* added, float* kept)
        where V : struct, ILanes<V>
    {
        V first = V.Zero, second = V.Zero;
        nint i = 0;
        for (; i <= Width - 2 * V.Count; i += 2 * V.Count)
        {
            var a = Take<V>(x, added, kept, i, V.Count);
            var b = Take<V>(x, added, kept, i + V.Count, V.Count);
            first = V.MultiplyAdd(a, a, first);
            second = V.MultiplyAdd(b, b, second);
        }

        for (; i < Width; i += V.Count)
        {
            var a = Take<V>(x, added, kept, i, (int)(Width - i));
            first = V.MultiplyAdd(a, a, first);
        }

        return V.Sum(first + second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Take<V>(float* x, float* added, float* kept, nint i, int count)
        where V : struct, ILanes<V>
    {
        var value = SimdMath.Load<V>(x + i, count);
        if (added is not null)
            value += SimdMath.Load<V>(added + i, count);
        if (kept is not null)
            SimdMath.Store(kept + i, value, count);
        return value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Scale<V>(float* x, float rstd, float* y)
        where V : struct, ILanes<V>
    {
        var factor = V.Splat(rstd);
        nint i = 0;
        for (; i <= Width - V.Count; i += V.Count)
            V.Store(y + i, V.Load(x + i) * factor * V.Load(Gain + i));
        if (i < Width)
        {
            var count = (int)(Width - i);
            V.StorePartial(y + i, V.LoadPartial(x + i, count) * factor * V.LoadPartial(Gain + i, count), count);
        }
    }
}
