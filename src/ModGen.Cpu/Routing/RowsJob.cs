using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

internal enum RowsMode
{
    Gather,
    ScatterAdd,
    ScatterAddScaled,
    GatherScaleBackward,
}

/// <summary>One pass over selected rows; the mode says what happens to each.</summary>
internal unsafe struct RowsJob : IJob
{
    public RowsMode Mode;

    /// <summary>(batch, Length, Width).</summary>
    public float* Long;

    /// <summary>(batch, Count, Width).</summary>
    public float* Short;

    /// <summary>(batch, Count).</summary>
    public float* Gates;
    public float* ShortGradient;
    public float* GateGradient;
    public int* Indices;
    public int Length, Count, Width;

    /// <summary>batch·Count.</summary>
    public int Rows;

    public readonly int Pieces => Gemm.Ceiling(Rows, Slices.Rows(Rows, Width));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var rows = Slices.Rows(Rows, Width);
        var end = Math.Min(Rows, (piece + 1) * rows);
        for (var row = piece * rows; row < end; row++)
        {
            var longRow = Long + ((nint)(row / Count) * Length + Indices[row]) * Width;
            var shortRow = Short + (nint)row * Width;
            switch (Mode)
            {
                case RowsMode.Gather:
                    new ReadOnlySpan<float>(longRow, Width).CopyTo(new Span<float>(shortRow, Width));
                    break;
                case RowsMode.ScatterAdd:
                    AddScaled<V>(longRow, shortRow, 1);
                    break;
                case RowsMode.ScatterAddScaled:
                    AddScaled<V>(longRow, shortRow, Gates[row]);
                    break;
                default:
                    GateGradient[row] = SimdMath.Dot<V>(longRow, shortRow, Width);
                    Scale<V>(longRow, Gates[row], ShortGradient + (nint)row * Width);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void AddScaled<V>(float* target, float* source, float factor)
        where V : struct, ILanes<V>
    {
        var scale = V.Splat(factor);
        var i = 0;
        for (; i <= Width - V.Count; i += V.Count)
            V.Store(target + i, V.MultiplyAdd(scale, V.Load(source + i), V.Load(target + i)));
        if (i < Width)
            V.StorePartial(target + i, V.MultiplyAdd(scale, V.LoadPartial(source + i, Width - i), V.LoadPartial(target + i, Width - i)), Width - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Scale<V>(float* source, float factor, float* target)
        where V : struct, ILanes<V>
    {
        var scale = V.Splat(factor);
        var i = 0;
        for (; i <= Width - V.Count; i += V.Count)
            V.Store(target + i, scale * V.Load(source + i));
        if (i < Width)
            V.StorePartial(target + i, scale * V.LoadPartial(source + i, Width - i), Width - i);
    }
}
