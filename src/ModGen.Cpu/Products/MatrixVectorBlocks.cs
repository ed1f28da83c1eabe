using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// Dot products of 1, 2 or 4 rows with 4 rows of weights. The remainder of a row that is no whole vector is copied to
/// padded memory and goes through the same loop, so the loop itself has no conditions.
/// </summary>
internal static unsafe class MatrixVectorBlocks
{
    /// <summary>sums (4) = x·wᵀ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OneRow<V>(float* x, MatrixVector.Lines w, int length, nint ahead, float* sums)
        where V : struct, ILanes<V>
    {
        float* wa = w.A, wb = w.B, wc = w.C, wd = w.D;
        V a0 = V.Zero, b0 = V.Zero, c0 = V.Zero, d0 = V.Zero, a1 = V.Zero, b1 = V.Zero, c1 = V.Zero, d1 = V.Zero;
        nint i = 0;
        for (; i <= length - 2 * V.Count; i += 2 * V.Count)
        {
            Prefetch<V>(wa, wb, wc, wd, i + ahead);
            V x0 = V.Load(x + i), x1 = V.Load(x + i + V.Count);
            a0 = V.MultiplyAdd(x0, V.Load(wa + i), a0);
            b0 = V.MultiplyAdd(x0, V.Load(wb + i), b0);
            c0 = V.MultiplyAdd(x0, V.Load(wc + i), c0);
            d0 = V.MultiplyAdd(x0, V.Load(wd + i), d0);
            a1 = V.MultiplyAdd(x1, V.Load(wa + i + V.Count), a1);
            b1 = V.MultiplyAdd(x1, V.Load(wb + i + V.Count), b1);
            c1 = V.MultiplyAdd(x1, V.Load(wc + i + V.Count), c1);
            d1 = V.MultiplyAdd(x1, V.Load(wd + i + V.Count), d1);
        }

        for (; i < length; i += V.Count)
        {
            var count = (int)Math.Min(V.Count, length - i);
            var x0 = V.LoadPartial(x + i, count);
            a0 = V.MultiplyAdd(x0, V.LoadPartial(wa + i, count), a0);
            b0 = V.MultiplyAdd(x0, V.LoadPartial(wb + i, count), b0);
            c0 = V.MultiplyAdd(x0, V.LoadPartial(wc + i, count), c0);
            d0 = V.MultiplyAdd(x0, V.LoadPartial(wd + i, count), d0);
        }

        Lanes128.Store(sums, V.Sums(a0 + a1, b0 + b1, c0 + c1, d0 + d1));
    }

    /// <summary>sums (2, 4) = x·wᵀ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TwoRows<V>(MatrixVector.Lines x, MatrixVector.Lines w, int length, nint ahead, float* sums)
        where V : struct, ILanes<V>
    {
        float* xa = x.A, xb = x.B, wa = w.A, wb = w.B, wc = w.C, wd = w.D;
        V a0 = V.Zero, b0 = V.Zero, c0 = V.Zero, d0 = V.Zero, a1 = V.Zero, b1 = V.Zero, c1 = V.Zero, d1 = V.Zero;
        var padded = stackalloc float[6 * 16];
        nint i = 0, whole = length / V.Count * V.Count, end = whole;
        while (true)
        {
            for (; i < end; i += V.Count)
            {
                if ((i & V.Count) == 0)
                    Prefetch<V>(wa, wb, wc, wd, i + ahead);
                V x0 = V.Load(xa + i), x1 = V.Load(xb + i);
                V va = V.Load(wa + i), vb = V.Load(wb + i), vc = V.Load(wc + i), vd = V.Load(wd + i);
                a0 = V.MultiplyAdd(x0, va, a0);
                b0 = V.MultiplyAdd(x0, vb, b0);
                c0 = V.MultiplyAdd(x0, vc, c0);
                d0 = V.MultiplyAdd(x0, vd, d0);
                a1 = V.MultiplyAdd(x1, va, a1);
                b1 = V.MultiplyAdd(x1, vb, b1);
                c1 = V.MultiplyAdd(x1, vc, c1);
                d1 = V.MultiplyAdd(x1, vd, d1);
            }

            if (i >= length)
                break;
            var count = (int)(length - whole);
            xa = Pad<V>(xa, whole, count, padded);
            xb = Pad<V>(xb, whole, count, padded + 16);
            wa = Pad<V>(wa, whole, count, padded + 32);
            wb = Pad<V>(wb, whole, count, padded + 48);
            wc = Pad<V>(wc, whole, count, padded + 64);
            wd = Pad<V>(wd, whole, count, padded + 80);
            end = whole + V.Count;
        }

        Lanes128.Store(sums, V.Sums(a0, b0, c0, d0));
        Lanes128.Store(sums + 4, V.Sums(a1, b1, c1, d1));
    }

    /// <summary>sums (4, 4) = x·wᵀ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourRows<V>(MatrixVector.Lines x, MatrixVector.Lines w, int length, nint ahead, float* sums)
        where V : struct, ILanes<V>
    {
        float* xa = x.A, xb = x.B, xc = x.C, xd = x.D, wa = w.A, wb = w.B, wc = w.C, wd = w.D;
        V a0 = V.Zero, b0 = V.Zero, c0 = V.Zero, d0 = V.Zero, a1 = V.Zero, b1 = V.Zero, c1 = V.Zero, d1 = V.Zero;
        V a2 = V.Zero, b2 = V.Zero, c2 = V.Zero, d2 = V.Zero, a3 = V.Zero, b3 = V.Zero, c3 = V.Zero, d3 = V.Zero;
        var padded = stackalloc float[8 * 16];
        nint i = 0, whole = length / V.Count * V.Count, end = whole;
        while (true)
        {
            for (; i < end; i += V.Count)
            {
                if ((i & V.Count) == 0)
                    Prefetch<V>(wa, wb, wc, wd, i + ahead);
                V va = V.Load(wa + i), vb = V.Load(wb + i), vc = V.Load(wc + i), vd = V.Load(wd + i);
                V x0 = V.Load(xa + i), x1 = V.Load(xb + i), x2 = V.Load(xc + i), x3 = V.Load(xd + i);
                a0 = V.MultiplyAdd(x0, va, a0);
                b0 = V.MultiplyAdd(x0, vb, b0);
                c0 = V.MultiplyAdd(x0, vc, c0);
                d0 = V.MultiplyAdd(x0, vd, d0);
                a1 = V.MultiplyAdd(x1, va, a1);
                b1 = V.MultiplyAdd(x1, vb, b1);
                c1 = V.MultiplyAdd(x1, vc, c1);
                d1 = V.MultiplyAdd(x1, vd, d1);
                a2 = V.MultiplyAdd(x2, va, a2);
                b2 = V.MultiplyAdd(x2, vb, b2);
                c2 = V.MultiplyAdd(x2, vc, c2);
                d2 = V.MultiplyAdd(x2, vd, d2);
                a3 = V.MultiplyAdd(x3, va, a3);
                b3 = V.MultiplyAdd(x3, vb, b3);
                c3 = V.MultiplyAdd(x3, vc, c3);
                d3 = V.MultiplyAdd(x3, vd, d3);
            }

            if (i >= length)
                break;
            var count = (int)(length - whole);
            xa = Pad<V>(xa, whole, count, padded);
            xb = Pad<V>(xb, whole, count, padded + 16);
            xc = Pad<V>(xc, whole, count, padded + 32);
            xd = Pad<V>(xd, whole, count, padded + 48);
            wa = Pad<V>(wa, whole, count, padded + 64);
            wb = Pad<V>(wb, whole, count, padded + 80);
            wc = Pad<V>(wc, whole, count, padded + 96);
            wd = Pad<V>(wd, whole, count, padded + 112);
            end = whole + V.Count;
        }

        Lanes128.Store(sums, V.Sums(a0, b0, c0, d0));
        Lanes128.Store(sums + 4, V.Sums(a1, b1, c1, d1));
        Lanes128.Store(sums + 8, V.Sums(a2, b2, c2, d2));
        Lanes128.Store(sums + 12, V.Sums(a3, b3, c3, d3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch<V>(float* wa, float* wb, float* wc, float* wd, nint at)
        where V : struct, ILanes<V>
    {
        V.Prefetch(wa + at);
        V.Prefetch(wb + at);
        V.Prefetch(wc + at);
        V.Prefetch(wd + at);
    }

    // The remainder of a line, zero-padded, addressed as if it lay in the line.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Pad<V>(float* line, nint from, int count, float* padded)
        where V : struct, ILanes<V>
    {
        V.Store(padded, V.LoadPartial(line + from, count));
        return padded - from;
    }
}
