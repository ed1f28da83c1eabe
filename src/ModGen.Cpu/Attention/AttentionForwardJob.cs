using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// A piece is one head of one sequence. Everything is kept transposed: a score tile has keys down and two vectors of
/// queries across, so the softmax works lane by lane without a single horizontal step, and the tile that the first product
/// writes is at once the packed operand of the second: Oᵀ = Vᵀ·Pᵀ.
/// </summary>
internal unsafe struct AttentionForwardJob : IJob
{
    // Keys that pass under a block of queries at once; a multiple of every tile's rows.
    private const int KeyBlock = 192;

    public float* Qkv, O, Lse;
    public AttentionShape Shape;

    public readonly void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        if (V.Count == 16)
            Head<V, Packed12, Packed8>(piece / Shape.Heads, piece % Shape.Heads, scratch);
        else
            Head<V, Packed6, Packed4>(piece / Shape.Heads, piece % Shape.Heads, scratch);
    }

    // K: shape of tiles whose rows are keys; D: of tiles whose rows are elements of a head.
    private readonly void Head<V, K, D>(int sequence, int head, Scratch scratch)
        where V : struct, ILanes<V>
        where K : struct, ITileShape
        where D : struct, ITileShape
    {
        var (length, width, stride) = (Shape.Length, Shape.HeadWidth, Shape.Stride);
        var columns = 2 * V.Count;
        var paddedWidth = Gemm.Ceiling(width, D.Rows) * D.Rows;
        var paddedLength = Gemm.Ceiling(length, K.Rows) * K.Rows;

        var keys = scratch.Floats((long)paddedLength * width + (long)length * paddedWidth + (long)columns * (width + KeyBlock + paddedWidth + 2));
        var values = keys + (nint)paddedLength * width;
        var query = values + (nint)length * paddedWidth;
        var scores = query + (nint)columns * width;
        var output = scores + (nint)columns * KeyBlock;
        var statistics = output + (nint)columns * paddedWidth;

        var x = Qkv + (nint)sequence * length * stride;
        var keyValueHead = head / Shape.Group;
        Packing.Pack<V>(new Operand(x + Shape.KeyOffset(keyValueHead), stride, 1), 0, length, 0, width, K.Rows, keys);
        Packing.Pack<V>(new Operand(x + Shape.ValueOffset(keyValueHead), 1, stride), 0, width, 0, length, D.Rows, values);
        var o = O + (nint)sequence * length * Shape.Heads * width + (nint)head * width;
        var lse = Lse + ((nint)sequence * Shape.Heads + head) * length;
        for (var first = 0; first < length; first += columns)
        {
            var queries = Math.Min(columns, length - first);
            Packing.Pack<V>(new Operand(x + (nint)head * width, stride, 1), first, queries, 0, width, columns, query);
            QueryBlock<V, K, D>(first, first + queries, keys, values, query, scores, output, statistics);
            AttentionOutput.Write<V>(output, query, o + (nint)first * Shape.Heads * width, Shape.Heads * width, queries, width);
            new ReadOnlySpan<float>(statistics, queries).CopyTo(new Span<float>(lse + first, queries));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void QueryBlock<V, K, D>(int first, int end, float* keys, float* values, float* query, float* scores, float* output, float* lse)
        where V : struct, ILanes<V>
        where K : struct, ITileShape
        where D : struct, ITileShape
    {
        var (length, width) = (Shape.Length, Shape.HeadWidth);
        nint columns = 2 * V.Count;
        V maximumL = V.Splat(float.NegativeInfinity), maximumR = maximumL, sumL = V.Zero, sumR = V.Zero;
        var scale = V.Splat(Shape.Scale);
        for (var key = 0; key < end; key += KeyBlock)
        {
            var count = Math.Min(KeyBlock, end - key);
            for (var row = 0; row < count; row += K.Rows)
                Tile.Run<V, K>(width, keys + (nint)(key + row) * width, query, scores + row * columns, columns, null, 0);
            AttentionScores.Mask<V>(scores, first, key, count);

            V newL = maximumL, newR = maximumR;
            for (var row = 0; row < count; row++)
            {
                newL = V.Max(newL, V.Load(scores + row * columns));
                newR = V.Max(newR, V.Load(scores + row * columns + V.Count));
            }

            V keepL = SimdMath.ExpNegative((maximumL - newL) * scale), keepR = SimdMath.ExpNegative((maximumR - newR) * scale);
            (maximumL, maximumR) = (newL, newR);
            V blockL = V.Zero, blockR = V.Zero;
            for (var row = 0; row < count; row++)
            {
                var p = scores + row * columns;
                var left = SimdMath.ExpNegative((V.Load(p) - maximumL) * scale);
                var right = SimdMath.ExpNegative((V.Load(p + V.Count) - maximumR) * scale);
                V.Store(p, left);
                V.Store(p + V.Count, right);
                blockL += left;
                blockR += right;
            }

            sumL = V.MultiplyAdd(sumL, keepL, blockL);
            sumR = V.MultiplyAdd(sumR, keepR, blockR);
            if (key > 0)
                AttentionOutput.Scale(output, width, keepL, keepR);
            for (var row = 0; row < width; row += D.Rows)
                Tile.Run<V, D>(count, values + (nint)row * length + (nint)key * D.Rows, scores, output + row * columns, columns, key > 0 ? output + row * columns : null, columns);
        }

        AttentionOutput.Scale(output, width, V.Splat(1) / sumL, V.Splat(1) / sumR);
        V.Store(lse, maximumL * scale);
        V.Store(lse + V.Count, maximumR * scale);
        var sums = stackalloc float[32];
        V.Store(sums, sumL);
        V.Store(sums + V.Count, sumR);
        for (var i = 0; i < end - first; i++)
            lse[i] += MathF.Log(sums[i]);
    }
}
