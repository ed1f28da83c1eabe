namespace ModGen.Programs;

/// <summary>The rows of one call of <see cref="InferenceProgram.Extend"/>, or those of them that enter a routed layer.</summary>
public readonly ref struct InferenceRows
{
    /// <summary>Makes the rows.</summary>
    public InferenceRows(ReadOnlySpan<int> indices, ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<int> positions, Span<int> visible)
    {
        Indices = indices;
        Tokens = tokens;
        Sequences = sequences;
        Positions = positions;
        Visible = visible;
    }

    /// <summary>How many.</summary>
    public int Count => Tokens.Length;

    /// <summary>(count) ascending: which rows of the call these are.</summary>
    public ReadOnlySpan<int> Indices { get; }

    /// <summary>(count) token ids.</summary>
    public ReadOnlySpan<int> Tokens { get; }

    /// <summary>(count) the sequence of each row.</summary>
    public ReadOnlySpan<int> Sequences { get; }

    /// <summary>(count) the position of each row in its sequence, from 0, for the rotary embedding.</summary>
    public ReadOnlySpan<int> Positions { get; }

    /// <summary>(count) scratch: <see cref="ModGen.Cpu.KeyValueCache.Append"/> writes how many cache entries each row sees.</summary>
    public Span<int> Visible { get; }
}
