using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// The innermost product: a tile of S.Rows × two vectors, C = source + A·B, held in registers over the whole depth.
/// </summary>
internal static unsafe class Tile
{
    /// <summary>Computes one full tile.</summary>
    /// <param name="depth">Steps to sum over.</param>
    /// <param name="a">The left operand, laid out as <typeparamref name="S"/> says.</param>
    /// <param name="b">The right operand, (depth, 2·V.Count), packed.</param>
    /// <param name="c">The tile's first element; rows are <paramref name="strideC"/> apart.</param>
    /// <param name="strideC">Elements from row to row of C.</param>
    /// <param name="source">What to add the product to, or null for nothing; may be C.</param>
    /// <param name="strideSource">Elements from row to row of the source; 0 for one row added to all (a bias).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<V, S>(int depth, float* a, float* b, float* c, nint strideC, float* source, nint strideSource)
        where V : struct, ILanes<V>
        where S : struct, ITileShape
    {
        for (nint row = 0; row < S.Rows; row++)
        {
            V.Prefetch(c + row * strideC);
            if (source is not null && source != c)
                V.Prefetch(source + row * strideSource);
        }

        // c{row}l and c{row}r: left and right half of a row. Those beyond S.Rows vanish when this is compiled.
        V c0l = V.Zero, c0r = V.Zero;
        V c1l = V.Zero, c1r = V.Zero;
        V c2l = V.Zero, c2r = V.Zero;
        V c3l = V.Zero, c3r = V.Zero;
        V c4l = V.Zero, c4r = V.Zero;
        V c5l = V.Zero, c5r = V.Zero;
        V c6l = V.Zero, c6r = V.Zero;
        V c7l = V.Zero, c7r = V.Zero;
        V c8l = V.Zero, c8r = V.Zero;
        V c9l = V.Zero, c9r = V.Zero;
        V c10l = V.Zero, c10r = V.Zero;
        V c11l = V.Zero, c11r = V.Zero;

        for (; depth > 0; depth--)
        {
            V left = V.Load(b), right = V.Load(b + V.Count);
            var a0 = V.Splat(a[0 * S.RowStride]);
            c0l = V.MultiplyAdd(a0, left, c0l);
            c0r = V.MultiplyAdd(a0, right, c0r);
            var a1 = V.Splat(a[1 * S.RowStride]);
            c1l = V.MultiplyAdd(a1, left, c1l);
            c1r = V.MultiplyAdd(a1, right, c1r);
            var a2 = V.Splat(a[2 * S.RowStride]);
            c2l = V.MultiplyAdd(a2, left, c2l);
            c2r = V.MultiplyAdd(a2, right, c2r);
            var a3 = V.Splat(a[3 * S.RowStride]);
            c3l = V.MultiplyAdd(a3, left, c3l);
            c3r = V.MultiplyAdd(a3, right, c3r);
            if (S.Rows > 4)
            {
                var a4 = V.Splat(a[4 * S.RowStride]);
                c4l = V.MultiplyAdd(a4, left, c4l);
                c4r = V.MultiplyAdd(a4, right, c4r);
                var a5 = V.Splat(a[5 * S.RowStride]);
                c5l = V.MultiplyAdd(a5, left, c5l);
                c5r = V.MultiplyAdd(a5, right, c5r);
            }

            if (S.Rows > 6)
            {
                var a6 = V.Splat(a[6 * S.RowStride]);
                c6l = V.MultiplyAdd(a6, left, c6l);
                c6r = V.MultiplyAdd(a6, right, c6r);
                var a7 = V.Splat(a[7 * S.RowStride]);
                c7l = V.MultiplyAdd(a7, left, c7l);
                c7r = V.MultiplyAdd(a7, right, c7r);
            }

            if (S.Rows > 8)
            {
                var a8 = V.Splat(a[8 * S.RowStride]);
                c8l = V.MultiplyAdd(a8, left, c8l);
                c8r = V.MultiplyAdd(a8, right, c8r);
                var a9 = V.Splat(a[9 * S.RowStride]);
                c9l = V.MultiplyAdd(a9, left, c9l);
                c9r = V.MultiplyAdd(a9, right, c9r);
                var a10 = V.Splat(a[10 * S.RowStride]);
                c10l = V.MultiplyAdd(a10, left, c10l);
                c10r = V.MultiplyAdd(a10, right, c10r);
                var a11 = V.Splat(a[11 * S.RowStride]);
                c11l = V.MultiplyAdd(a11, left, c11l);
                c11r = V.MultiplyAdd(a11, right, c11r);
            }

            a += S.StepStride;
            b += 2 * V.Count;
        }

        Put(c + 0 * strideC, source is null ? null : source + 0 * strideSource, c0l, c0r);
        Put(c + 1 * strideC, source is null ? null : source + 1 * strideSource, c1l, c1r);
        Put(c + 2 * strideC, source is null ? null : source + 2 * strideSource, c2l, c2r);
        Put(c + 3 * strideC, source is null ? null : source + 3 * strideSource, c3l, c3r);
        if (S.Rows > 4)
        {
            Put(c + 4 * strideC, source is null ? null : source + 4 * strideSource, c4l, c4r);
            Put(c + 5 * strideC, source is null ? null : source + 5 * strideSource, c5l, c5r);
        }

        if (S.Rows > 6)
        {
            Put(c + 6 * strideC, source is null ? null : source + 6 * strideSource, c6l, c6r);
            Put(c + 7 * strideC, source is null ? null : source + 7 * strideSource, c7l, c7r);
        }

        if (S.Rows > 8)
        {
            Put(c + 8 * strideC, source is null ? null : source + 8 * strideSource, c8l, c8r);
            Put(c + 9 * strideC, source is null ? null : source + 9 * strideSource, c9l, c9r);
            Put(c + 10 * strideC, source is null ? null : source + 10 * strideSource, c10l, c10r);
            Put(c + 11 * strideC, source is null ? null : source + 11 * strideSource, c11l, c11r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<V>(float* c, float* source, V left, V right)
        where V : struct, ILanes<V>
    {
        if (source is not null)
        {
            left += V.Load(source);
            right += V.Load(source + V.Count);
        }

        V.Store(c, left);
        V.Store(c + V.Count, right);
    }

    /// <summary>Computes a tile where <paramref name="rows"/> × <paramref name="columns"/> remain of C and the source: all of it or the part that exists.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RunPartial<V, S>(int depth, float* a, float* b, float* c, nint strideC, float* source, nint strideSource, int rows, int columns)
        where V : struct, ILanes<V>
        where S : struct, ITileShape
    {
        if (rows >= S.Rows && columns >= 2 * V.Count)
        {
            Run<V, S>(depth, a, b, c, strideC, source, strideSource);
            return;
        }

        var tile = stackalloc float[12 * 32];
        Run<V, S>(depth, a, b, tile, 2 * V.Count, null, 0);
        for (var row = 0; row < Math.Min(rows, S.Rows); row++)
        {
            for (var column = 0; column < Math.Min(columns, 2 * V.Count); column++)
            {
                var product = tile[row * 2 * V.Count + column];
                c[row * strideC + column] = source is null ? product : product + source[row * strideSource + column];
            }
        }
    }
}
