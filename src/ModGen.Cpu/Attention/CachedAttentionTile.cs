using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// Up to eight queries of one sequence and one key head (heads of a group, rows of a prompt) over the cache together, so
/// that keys and values are read once for all of them.
/// </summary>
internal unsafe ref struct CachedAttentionTile
{
    /// <summary>Queries of a tile.</summary>
    public const int Queries = 8;

    private const int KeyBlock = 256;

    private readonly int _width;
    private readonly float _scale;
    private readonly float* _packed;
    private readonly float* _scores;
    private readonly float* _sums;

    /// <summary>A tile in <paramref name="memory"/> of <see cref="Floats"/> elements.</summary>
    public CachedAttentionTile(int width, float scale, float* memory)
    {
        _width = width;
        _scale = scale;
        _scores = memory;
        _packed = _scores + Queries * KeyBlock;
        _sums = _packed + (nint)Queries * width;
    }

    /// <summary>Memory of a tile.</summary>
    public static long Floats(int width) => Queries * (KeyBlock + 2L * width);

    /// <summary>Attention of <paramref name="count"/> queries, each over its own number of visible entries.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<V>(float** queries, int* visible, float** outputs, int count, float* keys, float* values)
        where V : struct, ILanes<V>
    {
        float* maxima = stackalloc float[Queries], sums = stackalloc float[Queries];
        var greatest = 0;
        for (var q = 0; q < Queries; q++)
        {
            // Missing queries repeat the last one; their results go nowhere.
            var source = queries[Math.Min(q, count - 1)];
            for (var i = 0; i < _width; i++)
                _packed[i * Queries + q] = source[i];
            maxima[q] = float.NegativeInfinity;
            sums[q] = 0;
            greatest = Math.Max(greatest, visible[Math.Min(q, count - 1)]);
        }

        new Span<float>(_sums, Queries * _width).Clear();
        for (var key = 0; key < greatest; key += KeyBlock)
        {
            var entries = Math.Min(KeyBlock, greatest - key);
            for (var block = 0; block < entries; block += 2 * KeyValueCache.Block)
                Scores<V>(keys + (nint)(key + block) * _width, _scores + block);
            for (var q = 0; q < count; q++)
                Softmax<V>(_scores + q * KeyBlock, entries, visible[q] - key, ref maxima[q], ref sums[q], _sums + (nint)q * _width);
            AddValues<V>(values + (nint)key * _width, entries);
        }

        for (var q = 0; q < count; q++)
        {
            for (var i = 0; i < _width; i++)
                outputs[q][i] = _sums[(nint)q * _width + i] / sums[q];
        }
    }

    // Two blocks of 16 keys against all queries.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Scores<V>(float* keys, float* scores)
        where V : struct, ILanes<V>
    {
        var width = _width;
        var next = keys + (nint)width * KeyValueCache.Block;
        // A block is about a page long, and the hardware does not run ahead across pages.
        var ahead = 2 * (nint)width * KeyValueCache.Block;
        for (var lane = 0; lane < KeyValueCache.Block; lane += V.Count)
        {
            V a0 = V.Zero, a1 = V.Zero, a2 = V.Zero, a3 = V.Zero, a4 = V.Zero, a5 = V.Zero, a6 = V.Zero, a7 = V.Zero;
            V b0 = V.Zero, b1 = V.Zero, b2 = V.Zero, b3 = V.Zero, b4 = V.Zero, b5 = V.Zero, b6 = V.Zero, b7 = V.Zero;
            float* ka = keys + lane, kb = next + lane, q = _packed;
            for (var i = 0; i < width; i++)
            {
                if ((i & 1) == 0)
                {
                    V.Prefetch(ka + ahead);
                    V.Prefetch(kb + ahead);
                }

                V a = V.Load(ka), b = V.Load(kb);
                var s = V.Splat(q[0]);
                (a0, b0) = (V.MultiplyAdd(a, s, a0), V.MultiplyAdd(b, s, b0));
                s = V.Splat(q[1]);
                (a1, b1) = (V.MultiplyAdd(a, s, a1), V.MultiplyAdd(b, s, b1));
                s = V.Splat(q[2]);
                (a2, b2) = (V.MultiplyAdd(a, s, a2), V.MultiplyAdd(b, s, b2));
                s = V.Splat(q[3]);
                (a3, b3) = (V.MultiplyAdd(a, s, a3), V.MultiplyAdd(b, s, b3));
                s = V.Splat(q[4]);
                (a4, b4) = (V.MultiplyAdd(a, s, a4), V.MultiplyAdd(b, s, b4));
                s = V.Splat(q[5]);
                (a5, b5) = (V.MultiplyAdd(a, s, a5), V.MultiplyAdd(b, s, b5));
                s = V.Splat(q[6]);
                (a6, b6) = (V.MultiplyAdd(a, s, a6), V.MultiplyAdd(b, s, b6));
                s = V.Splat(q[7]);
                (a7, b7) = (V.MultiplyAdd(a, s, a7), V.MultiplyAdd(b, s, b7));
                ka += KeyValueCache.Block;
                kb += KeyValueCache.Block;
                q += Queries;
            }

            var to = scores + lane;
            Put(to, a0, b0);
            Put(to + KeyBlock, a1, b1);
            Put(to + 2 * KeyBlock, a2, b2);
            Put(to + 3 * KeyBlock, a3, b3);
            Put(to + 4 * KeyBlock, a4, b4);
            Put(to + 5 * KeyBlock, a5, b5);
            Put(to + 6 * KeyBlock, a6, b6);
            Put(to + 7 * KeyBlock, a7, b7);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<V>(float* to, V a, V b)
        where V : struct, ILanes<V>
    {
        V.Store(to, a);
        V.Store(to + KeyValueCache.Block, b);
    }

    // Scores of one query become weights; what was summed before is scaled to the new maximum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Softmax<V>(float* scores, int entries, int visible, ref float maximum, ref float sum, float* output)
        where V : struct, ILanes<V>
    {
        for (var i = Math.Max(0, visible); i < entries || (i < KeyBlock && i % V.Count != 0); i++)
            scores[i] = float.NegativeInfinity;
        var greatest = V.Splat(maximum);
        for (var i = 0; i < entries; i += V.Count)
            greatest = V.Max(greatest, V.Load(scores + i));
        var newMaximum = V.Max(greatest);
        V shift = V.Splat(newMaximum), scale = V.Splat(_scale), total = V.Zero;
        for (var i = 0; i < entries; i += V.Count)
        {
            var p = SimdMath.ExpNegative((V.Load(scores + i) - shift) * scale);
            V.Store(scores + i, p);
            total += p;
        }

        if (newMaximum > maximum)
        {
            var keep = MathF.Exp((maximum - newMaximum) * _scale);
            sum *= keep;
            for (var i = 0; i < _width; i++)
                output[i] *= keep;
            maximum = newMaximum;
        }

        sum += V.Sum(total);
    }

    // sums (Queries, width) += weights·values, in strips of two vectors.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void AddValues<V>(float* values, int entries)
        where V : struct, ILanes<V>
    {
        nint width = _width;
        var ahead = 32 * width;
        for (nint i = 0; i < width; i += 2 * V.Count)
        {
            // The last strip may be narrower than two vectors.
            var left = (int)Math.Min(V.Count, width - i);
            var right = (int)Math.Max(0, Math.Min(V.Count, width - i - V.Count));
            V a0 = V.Zero, a1 = V.Zero, a2 = V.Zero, a3 = V.Zero, a4 = V.Zero, a5 = V.Zero, a6 = V.Zero, a7 = V.Zero;
            V b0 = V.Zero, b1 = V.Zero, b2 = V.Zero, b3 = V.Zero, b4 = V.Zero, b5 = V.Zero, b6 = V.Zero, b7 = V.Zero;
            float* value = values + i, p = _scores;
            for (var key = 0; key < entries; key++, value += width, p++)
            {
                V.Prefetch(value + ahead);
                V a = SimdMath.Load<V>(value, left), b = SimdMath.Load<V>(value + V.Count, right);
                var s = V.Splat(p[0]);
                (a0, b0) = (V.MultiplyAdd(a, s, a0), V.MultiplyAdd(b, s, b0));
                s = V.Splat(p[KeyBlock]);
                (a1, b1) = (V.MultiplyAdd(a, s, a1), V.MultiplyAdd(b, s, b1));
                s = V.Splat(p[2 * KeyBlock]);
                (a2, b2) = (V.MultiplyAdd(a, s, a2), V.MultiplyAdd(b, s, b2));
                s = V.Splat(p[3 * KeyBlock]);
                (a3, b3) = (V.MultiplyAdd(a, s, a3), V.MultiplyAdd(b, s, b3));
                s = V.Splat(p[4 * KeyBlock]);
                (a4, b4) = (V.MultiplyAdd(a, s, a4), V.MultiplyAdd(b, s, b4));
                s = V.Splat(p[5 * KeyBlock]);
                (a5, b5) = (V.MultiplyAdd(a, s, a5), V.MultiplyAdd(b, s, b5));
                s = V.Splat(p[6 * KeyBlock]);
                (a6, b6) = (V.MultiplyAdd(a, s, a6), V.MultiplyAdd(b, s, b6));
                s = V.Splat(p[7 * KeyBlock]);
                (a7, b7) = (V.MultiplyAdd(a, s, a7), V.MultiplyAdd(b, s, b7));
            }

            var to = _sums + i;
            Accumulate(to, a0, b0, left, right);
            Accumulate(to + width, a1, b1, left, right);
            Accumulate(to + 2 * width, a2, b2, left, right);
            Accumulate(to + 3 * width, a3, b3, left, right);
            Accumulate(to + 4 * width, a4, b4, left, right);
            Accumulate(to + 5 * width, a5, b5, left, right);
            Accumulate(to + 6 * width, a6, b6, left, right);
            Accumulate(to + 7 * width, a7, b7, left, right);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate<V>(float* to, V a, V b, int left, int right)
        where V : struct, ILanes<V>
    {
        SimdMath.Store(to, SimdMath.Load<V>(to, left) + a, left);
        SimdMath.Store(to + V.Count, SimdMath.Load<V>(to + V.Count, right) + b, right);
    }
}
