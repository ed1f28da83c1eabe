namespace ModGen.Cpu;

/// <summary>Sizes of grouped-query attention over packed rows: query heads, then key heads, then value heads.</summary>
internal readonly record struct AttentionShape(int Batch, int Length, int Heads, int KeyValueHeads, int HeadWidth)
{
    /// <summary>Elements of a packed row.</summary>
    public int Stride => (Heads + 2 * KeyValueHeads) * HeadWidth;

    /// <summary>Query heads that share a key head.</summary>
    public int Group => Heads / KeyValueHeads;

    public float Scale => 1 / MathF.Sqrt(HeadWidth);

    public nint KeyOffset(int keyValueHead) => (nint)(Heads + keyValueHead) * HeadWidth;

    public nint ValueOffset(int keyValueHead) => (nint)(Heads + KeyValueHeads + keyValueHead) * HeadWidth;

    public void Check()
    {
        Guard.Positive(Batch);
        Guard.Positive(Length);
        Guard.Positive(Heads);
        Guard.Positive(KeyValueHeads);
        Guard.Positive(HeadWidth);
        if (Heads % KeyValueHeads != 0)
            throw new ArgumentException($"{Heads} query heads cannot share {KeyValueHeads} key heads evenly; the first must be a multiple of the second.");
    }
}
