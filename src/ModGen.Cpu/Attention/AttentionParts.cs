using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>What both passes do to transposed score tiles (keys, two vectors of queries).</summary>
internal static unsafe class AttentionScores
{
    /// <summary>Keys after a query get −∞. Only keys from <paramref name="firstQuery"/> on can be after one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Mask<V>(float* scores, int firstQuery, int firstKey, int keys)
        where V : struct, ILanes<V>
    {
        V hidden = V.Splat(float.NegativeInfinity), left = V.Iota + V.Splat(firstQuery), right = left + V.Splat(V.Count);
        for (var row = Math.Max(0, firstQuery - firstKey); row < keys; row++)
        {
            var key = V.Splat(firstKey + row);
            var p = scores + row * 2 * V.Count;
            V.Store(p, V.WhereLess(left, key, hidden, V.Load(p)));
            V.Store(p + V.Count, V.WhereLess(right, key, hidden, V.Load(p + V.Count)));
        }
    }
}

/// <summary>What both passes do to transposed results (head width, two vectors of queries).</summary>
internal static unsafe class AttentionOutput
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale<V>(float* output, int width, V left, V right)
        where V : struct, ILanes<V>
    {
        for (var row = 0; row < width; row++)
        {
            var p = output + row * 2 * V.Count;
            V.Store(p, V.Load(p) * left);
            V.Store(p + V.Count, V.Load(p + V.Count) * right);
        }
    }

    /// <summary>Writes the transpose, rows of queries <paramref name="stride"/> apart, by way of compact memory of the same size.</summary>
    /// <remarks>Rows of one head often lie a power of two apart; writing them bit by bit would find them in one set of the cache.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write<V>(float* output, float* compact, float* to, nint stride, int queries, int width)
        where V : struct, ILanes<V>
    {
        nint columns = 2 * V.Count;
        var quads = width & ~3;
        for (var query = 0; query < columns; query += V.Count)
        {
            for (var i = 0; i < quads; i += 4)
            {
                var from = output + i * columns + query;
                V.StoreTransposed(V.Load(from), V.Load(from + columns), V.Load(from + 2 * columns), V.Load(from + 3 * columns), compact + query * (nint)width + i, width);
            }
        }

        for (var i = quads; i < width; i++)
        {
            for (var query = 0; query < queries; query++)
                compact[query * (nint)width + i] = output[i * columns + query];
        }

        for (var query = 0; query < queries; query++)
            new ReadOnlySpan<float>(compact + query * (nint)width, width).CopyTo(new Span<float>(to + query * stride, width));
    }
}
