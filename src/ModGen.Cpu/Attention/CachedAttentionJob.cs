using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>A piece is a few rows of one sequence and one key head with the query heads that share it: the cache streams by once.</summary>
internal unsafe struct CachedAttentionJob : IJob
{
    private const int KeyBlock = 256;

    public float* Qkv, O;
    public int* Visible;

    /// <summary>(rows, key heads, 2): keys and values.</summary>
    public float** Tables;

    /// <summary>(tiles, 2): first row and number of rows.</summary>
    public int* Tiles;
    public AttentionShape Shape;

    public readonly void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var (tile, keyValueHead) = (piece / Shape.KeyValueHeads, piece % Shape.KeyValueHeads);
        var (first, rows) = (Tiles[2 * tile], Tiles[2 * tile + 1]);
        var tables = Tables + 2 * ((nint)first * Shape.KeyValueHeads + keyValueHead);
        if (rows * Shape.Group == 1)
        {
            var query = Qkv + (nint)first * Shape.Stride + (nint)keyValueHead * Shape.HeadWidth;
            OneQuery<V>(query, tables[0], tables[1], Visible[first], scratch.Floats(KeyBlock), O + ((nint)first * Shape.Heads + keyValueHead) * Shape.HeadWidth);
        }
        else
        {
            ManyQueries<V>(first, rows, keyValueHead, tables[0], tables[1], scratch);
        }
    }

    private readonly void ManyQueries<V>(int first, int rows, int keyValueHead, float* keys, float* values, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var tile = new CachedAttentionTile(Shape.HeadWidth, Shape.Scale, scratch.Floats(CachedAttentionTile.Floats(Shape.HeadWidth)));
        float** queries = stackalloc float*[CachedAttentionTile.Queries], outputs = stackalloc float*[CachedAttentionTile.Queries];
        var visible = stackalloc int[CachedAttentionTile.Queries];
        var count = 0;
        for (var i = 0; i < rows * Shape.Group; i++)
        {
            var (row, head) = (first + i / Shape.Group, keyValueHead * Shape.Group + i % Shape.Group);
            queries[count] = Qkv + (nint)row * Shape.Stride + (nint)head * Shape.HeadWidth;
            outputs[count] = O + ((nint)row * Shape.Heads + head) * Shape.HeadWidth;
            visible[count++] = Visible[row];
            if (count == CachedAttentionTile.Queries || i + 1 == rows * Shape.Group)
            {
                tile.Run<V>(queries, visible, outputs, count, keys, values);
                count = 0;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void OneQuery<V>(float* query, float* keys, float* values, int visible, float* scores, float* output)
        where V : struct, ILanes<V>
    {
        var width = Shape.HeadWidth;
        var maximum = float.NegativeInfinity;
        var sum = 0f;
        for (var key = 0; key < visible; key += KeyBlock)
        {
            var count = Math.Min(KeyBlock, visible - key);
            for (var block = 0; block < count; block += KeyValueCache.Block)
                Scores<V>(query, keys + (nint)(key + block) * width, scores + block);
            for (var i = count; i % KeyValueCache.Block != 0; i++)
                scores[i] = float.NegativeInfinity;
            var newMaximum = MathF.Max(maximum, Greatest<V>(scores, count));
            var keep = MathF.Exp((maximum - newMaximum) * Shape.Scale);
            maximum = newMaximum;
            sum = sum * keep + Exponentials<V>(scores, count, maximum);
            AddValues<V>(scores, values + (nint)key * width, count, key == 0 ? 0 : keep, output);
        }

        var factor = 1 / sum;
        for (var i = 0; i < width; i++)
            output[i] *= factor;
    }

    // 16 keys side by side; four sums so that the additions do not wait for each other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Scores<V>(float* query, float* keys, float* scores)
        where V : struct, ILanes<V>
    {
        var width = Shape.HeadWidth;
        // A block is about a page long, and the hardware does not run ahead across pages.
        var ahead = 2 * (nint)width * KeyValueCache.Block;
        for (var lane = 0; lane < KeyValueCache.Block; lane += V.Count)
        {
            V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
            nint i = 0;
            for (; i <= width - 4; i += 4)
            {
                var k = keys + i * KeyValueCache.Block + lane;
                V.Prefetch(k + ahead);
                V.Prefetch(k + ahead + 2 * KeyValueCache.Block);
                a = V.MultiplyAdd(V.Splat(query[i]), V.Load(k), a);
                b = V.MultiplyAdd(V.Splat(query[i + 1]), V.Load(k + KeyValueCache.Block), b);
                c = V.MultiplyAdd(V.Splat(query[i + 2]), V.Load(k + 2 * KeyValueCache.Block), c);
                d = V.MultiplyAdd(V.Splat(query[i + 3]), V.Load(k + 3 * KeyValueCache.Block), d);
            }

            for (; i < width; i++)
                a = V.MultiplyAdd(V.Splat(query[i]), V.Load(keys + i * KeyValueCache.Block + lane), a);
            V.Store(scores + lane, a + b + (c + d));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Greatest<V>(float* scores, int count)
        where V : struct, ILanes<V>
    {
        var greatest = V.Load(scores);
        for (var i = V.Count; i < count; i += V.Count)
            greatest = V.Max(greatest, V.Load(scores + i));
        return V.Max(greatest);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly float Exponentials<V>(float* scores, int count, float maximum)
        where V : struct, ILanes<V>
    {
        V shift = V.Splat(maximum), scale = V.Splat(Shape.Scale), sum = V.Zero;
        for (var i = 0; i < count; i += V.Count)
        {
            var p = SimdMath.ExpNegative((V.Load(scores + i) - shift) * scale);
            V.Store(scores + i, p);
            sum += p;
        }

        return V.Sum(sum);
    }

    // output = keep·output + Σ p·value, in strips of four vectors.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void AddValues<V>(float* p, float* values, int count, float keep, float* output)
        where V : struct, ILanes<V>
    {
        var width = Shape.HeadWidth;
        var kept = V.Splat(keep);
        var i = 0;
        for (; i <= width - 4 * V.Count; i += 4 * V.Count)
        {
            V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
            var value = values + i;
            for (var key = 0; key < count; key++, value += width)
            {
                var weight = V.Splat(p[key]);
                a = V.MultiplyAdd(weight, V.Load(value), a);
                b = V.MultiplyAdd(weight, V.Load(value + V.Count), b);
                c = V.MultiplyAdd(weight, V.Load(value + 2 * V.Count), c);
                d = V.MultiplyAdd(weight, V.Load(value + 3 * V.Count), d);
            }

            Keep(output + i, a, kept, keep);
            Keep(output + i + V.Count, b, kept, keep);
            Keep(output + i + 2 * V.Count, c, kept, keep);
            Keep(output + i + 3 * V.Count, d, kept, keep);
        }

        for (; i < width; i += V.Count)
        {
            var lanes = width - i;
            var sum = V.Zero;
            for (var key = 0; key < count; key++)
                sum = V.MultiplyAdd(V.Splat(p[key]), SimdMath.Load<V>(values + (nint)key * width + i, lanes), sum);
            if (keep != 0)
                sum = V.MultiplyAdd(kept, SimdMath.Load<V>(output + i, lanes), sum);
            SimdMath.Store(output + i, sum, lanes);
        }
    }

    // With keep 0 the output is fresh memory that may hold anything and is not read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep<V>(float* output, V sum, V kept, float keep)
        where V : struct, ILanes<V> =>
        V.Store(output, keep == 0 ? sum : V.MultiplyAdd(kept, V.Load(output), sum));
}
