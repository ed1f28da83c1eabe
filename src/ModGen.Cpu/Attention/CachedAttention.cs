using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>Attention of new rows over a cache, for prefill and decoding.</summary>
public static unsafe class CachedAttention
{
    /// <summary>Each row attends to the first entries of its sequence, as many as it may see.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="qkv">(rows, (heads + 2·keyValueHeads)·headWidth); only the queries are read.</param>
    /// <param name="cache">Keys and values, the rows' own included.</param>
    /// <param name="sequences">(rows): the sequence of each row.</param>
    /// <param name="visible">(rows): entries that each row sees, at least 1.</param>
    /// <param name="o">(rows, heads·headWidth), overwritten.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="keyValueHeads">Key and value heads; the cache's.</param>
    /// <param name="headWidth">Width of a head; the cache's.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or the cache has other heads.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A row names no sequence or sees more entries than there are.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<float> qkv, KeyValueCache cache, ReadOnlySpan<int> sequences, ReadOnlySpan<int> visible, Span<float> o, int rows, int heads, int keyValueHeads, int headWidth)
    {
        ArgumentNullException.ThrowIfNull(workers);
        ArgumentNullException.ThrowIfNull(cache);
        var shape = new AttentionShape(1, rows, heads, keyValueHeads, headWidth);
        shape.Check();
        if (cache.KeyValueHeads != keyValueHeads || cache.HeadWidth != headWidth)
            throw new ArgumentException($"The cache holds {cache.KeyValueHeads} heads of {cache.HeadWidth}, the rows {keyValueHeads} of {headWidth}; make the cache for these heads.", nameof(cache));
        Guard.Holds(qkv, (long)rows * shape.Stride);
        Guard.Holds(o, (long)rows * heads * headWidth);
        Guard.Holds(sequences, rows);
        Guard.Holds(visible, rows);
        var entries = CheckRows(cache, sequences[..rows], visible[..rows]);

        var scratch = workers.Rent();
        try
        {
            // Jobs hold raw pointers only, so each row's keys and values are looked up here.
            var tables = (nint*)scratch.Floats(4L * rows * keyValueHeads + 2L * rows);
            for (var row = 0; row < rows; row++)
            {
                for (var head = 0; head < keyValueHeads; head++)
                {
                    var at = 2 * (row * keyValueHeads + head);
                    tables[at] = (nint)cache.Keys(sequences[row], head);
                    tables[at + 1] = (nint)cache.Values(sequences[row], head);
                }
            }

            var tiles = (int*)(tables + 2 * (nint)rows * keyValueHeads);
            var count = Cut(sequences[..rows], Math.Max(1, CachedAttentionTile.Queries / shape.Group), tiles);
            fixed (float* px = qkv, po = o)
            fixed (int* pv = visible)
            {
                var job = new CachedAttentionJob { Qkv = px, O = po, Visible = pv, Tables = (float**)tables, Tiles = tiles, Shape = shape };
                workers.Run(job, count * keyValueHeads, 2L * entries * heads * headWidth);
            }
        }
        finally
        {
            workers.Return(scratch);
        }
    }

    // Neighbouring rows of one sequence share a tile. Returns how many tiles there are.
    private static int Cut(ReadOnlySpan<int> sequences, int maximum, int* tiles)
    {
        var count = 0;
        for (var row = 0; row < sequences.Length; row++)
        {
            if (count > 0 && tiles[2 * count - 1] < maximum && sequences[row] == sequences[row - 1])
            {
                tiles[2 * count - 1]++;
                continue;
            }

            tiles[2 * count] = row;
            tiles[2 * count++ + 1] = 1;
        }

        return count;
    }

    private static long CheckRows(KeyValueCache cache, ReadOnlySpan<int> sequences, ReadOnlySpan<int> visible)
    {
        Guard.Within(sequences, cache.Sequences);
        var entries = 0L;
        for (var row = 0; row < sequences.Length; row++)
        {
            var length = cache.Length(sequences[row]);
            if (visible[row] < 1 || visible[row] > length)
                throw new ArgumentOutOfRangeException(nameof(visible), visible[row], $"Row {row} is to see {visible[row]} entries of sequence {sequences[row]}, which holds {length}; append it first.");
            entries += visible[row];
        }

        return entries;
    }
}
