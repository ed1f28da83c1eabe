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

    /// <summary>Writes the transpose: rows of queries, <paramref name="stride"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write<V>(float* output, float* to, nint stride, int queries, int width)
        where V : struct, ILanes<V>
    {
        for (var query = 0; query < queries; query++)
        {
            for (var i = 0; i < width; i++)
                to[query * stride + i] = output[i * 2 * V.Count + query];
        }
    }
}
