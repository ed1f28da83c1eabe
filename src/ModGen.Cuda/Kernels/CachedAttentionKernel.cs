namespace ModGen.Cuda;

/// <summary>
/// Attention of a call's rows over a ragged cache, in the forms that it was written in. All take (qkv, sequences, visible,
/// cache, o, rows); split, the partial softmaxes stand in the place of o and a second kernel makes o of them.
/// </summary>
/// <param name="Name">Name of the operation.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key/value heads.</param>
/// <param name="Width">Width of a head.</param>
public sealed record CachedAttentionKernel(string Name, int Heads, int KeyValueHeads, int Width)
{
    /// <summary>Parts that a row's keys are split into in the split form, as its text says.</summary>
    public const int Splits = 8;

    private const int FewRows = 32, TileRows = 64, HeadsTogether = 4, BusyBlocks = 256, WarpsOfBlock = 8;

    /// <summary>A row a block, for any size and precision.</summary>
    public required Kernel Rows { get; init; }

    /// <summary>A part of a row's keys a block, for few rows over long caches.</summary>
    public required Kernel Split { get; init; }

    /// <summary>Combines the parts: (partials, o, rows).</summary>
    public required Kernel Combine { get; init; }

    /// <summary>Many rows of few sequences with mma.sync in bfloat16; null where the head's width is no multiple of its step.</summary>
    public Kernel? Tiles { get; init; }

    /// <summary>The forms that there are.</summary>
    public IEnumerable<Kernel> Forms => new[] { Rows, Split, Combine, Tiles }.OfType<Kernel>();

    /// <summary>True where so few rows are to come that their keys had better be split.</summary>
    public bool IsSplit(RowCount rows) => rows.Most <= FewRows && checked(rows.Most * BlocksOfRow) < BusyBlocks;

    /// <summary>The kernel that attends, with its grid.</summary>
    /// <param name="context">The device.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="sequences">Sequences that there are. With more rows than that, some are neighbours in one.</param>
    public ChosenKernel Choose(CudaContext context, RowCount rows, int sequences)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (rows.Most > FewRows && rows.Most > sequences && Tiles is not null && !context.Float32)
            return new ChosenKernel(Tiles with { SharedBytes = 640 * (Width + 8) }, checked(Ceiling(rows.Most, TileRows) * Heads), null);
        var blocks = checked(rows.Most * BlocksOfRow);
        return IsSplit(rows) ? new ChosenKernel(Split, blocks * Splits, null) : new ChosenKernel(Rows, blocks, null);
    }

    /// <summary>The kernel that combines the parts of the split form.</summary>
    public ChosenKernel ChooseCombine(RowCount rows) => new(Combine, Ceiling(checked(rows.Most * Heads), WarpsOfBlock), null);

    /// <summary>Bytes of the partial softmaxes of the split form: a head's columns, maximum and sum for each part.</summary>
    public long PartialBytes(RowCount rows) => sizeof(float) * (long)rows.Most * Heads * Splits * (Width + 2);

    /// <summary>cached_attention_blocks of the family: key heads, times as many as it takes for their query heads, four at a time.</summary>
    private int BlocksOfRow => KeyValueHeads * Ceiling(Heads / KeyValueHeads, HeadsTogether);

    private static int Ceiling(int count, int size) => (count + size - 1) / size;
}
