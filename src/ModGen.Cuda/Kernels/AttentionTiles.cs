namespace ModGen.Cuda;

/// <summary>
/// The tiles of the Hopper attention kernels as their families choose them (AttentionForwardFor, AttentionQueriesFor,
/// AttentionKeysFor), for the launch. The choices were measured on an H100; docs/kernels/attention.md has the figures.
/// </summary>
internal static class AttentionTiles
{
    private const int ShortLength = 256, LongLength = 4096, WideHead = 128;

    /// <summary>
    /// Short sequences want a block's second tile asked for with its first, and narrow heads all of a sequence in a block; else
    /// wide heads take three warpgroups, until a sequence is so long that the larger product pays.
    /// </summary>
    public static AttentionTile Forward(int width, int length) => width == WideHead
        ? length >= LongLength ? new(2, 128, 2, Backward: false) : length <= ShortLength ? new(2, 64, 4, Backward: false, QueryStages: 2) : new(3, 64, 3, Backward: false)
        : length <= ShortLength ? new(4, 64, 8, Backward: false, QueryStages: 2) : new(3, 128, 3, Backward: false);

    /// <summary>The gradient of the queries.</summary>
    public static AttentionTile Queries(int width) => new(3, 64, width == WideHead ? 2 : 4, Backward: true);

    /// <summary>The gradient of keys and values, whose accumulators fill the registers.</summary>
    public static AttentionTile Keys(int width, int length) =>
        new(length <= ShortLength || width == WideHead ? 2 : 3, 64, length <= ShortLength && width != WideHead ? 4 : 3, Backward: true);

    /// <summary>Threads of the kernel of the whole gradient: two strips of keys, the queries, and the copies with what is known of each row.</summary>
    public const int JointThreads = 128 * (2 + 2);

    /// <summary>
    /// Its dynamic shared memory, for heads of 64: keys, values and results of two strips and a result of queries (7 strips of 8192
    /// bytes), 4 steps under way, dS of 2, sums and outputs of one, and room for alignment and barriers.
    /// </summary>
    public const int JointSharedBytes = 2048 + 7 * 8192 + 4 * (2 * 8192 + 512) + 2 * 2 * 8192 + 16384 + 8192;

    /// <summary>Whether one kernel is faster than two: only where all that a block reads again stays near, and every multiprocessor has a sequence's head.</summary>
    public static bool IsJoint(int length, int pairs, int processors) => length <= ShortLength && pairs >= processors;
}

/// <summary>A tile of a Hopper attention kernel.</summary>
/// <param name="Strips">Strips of 64 rows that a block owns, a warpgroup each; one more copies.</param>
/// <param name="Step">Rows of the other side that it takes at a time.</param>
/// <param name="Stages">Steps under way.</param>
/// <param name="Backward">Whether a strip owns two operands and a result, as in the backward kernels.</param>
/// <param name="QueryStages">Tiles of queries under way in the forward kernel.</param>
internal readonly record struct AttentionTile(int Strips, int Step, int Stages, bool Backward, int QueryStages = 1)
{
    /// <summary>Rows and columns of what is copied at a time.</summary>
    public const int Box = 64;

    /// <summary>Threads of a block, as the launch bounds of the text have them.</summary>
    public int Threads => 128 * (Strips + 1);

    /// <summary>Dynamic shared memory for heads of a width: what strips and steps take, and room for alignment and barriers.</summary>
    public int SharedBytes(int width) => 2048 + (Backward
        ? 384 * Strips * width + Stages * (4 * Step * width + 8 * Step)
        : 2 * width * (Box * Strips * (QueryStages + 1) + 2 * Stages * Step));

    /// <summary>Persistent blocks, one a multiprocessor, unless there is less to do.</summary>
    public int Blocks(int heads, int length, int batch, int processors) =>
        (int)Math.Min(processors, (long)batch * heads * ((length + Box * Strips - 1) / (Box * Strips)));
}
