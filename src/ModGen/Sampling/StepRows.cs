namespace ModGen.Sampling;

/// <summary>The rows of the next call of an inference program, gathered one by one.</summary>
internal sealed class StepRows(int maximum, int slots, int vocabulary, bool picks)
{
    private readonly int[] _tokens = new int[maximum];
    private readonly int[] _slots = new int[maximum];
    private readonly int[] _wanted = new int[slots];
    private readonly int[] _chosen = new int[slots];
    private readonly float[] _logits = picks ? new float[checked(slots * vocabulary)] : [];
    private int _wantedCount;

    public int Count { get; private set; }

    public bool IsFull => Count == maximum;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    public ReadOnlySpan<int> Slots => _slots.AsSpan(0, Count);

    /// <summary>Rows whose logits are wanted: at most one a slot.</summary>
    public ReadOnlySpan<int> Wanted => _wanted.AsSpan(0, _wantedCount);

    /// <summary>(wanted) tokens, where the program chooses them.</summary>
    public Span<int> Chosen => _chosen.AsSpan(0, _wantedCount);

    /// <summary>(wanted, vocabulary); empty where the program chooses.</summary>
    public Span<float> Logits => picks ? _logits.AsSpan(0, _wantedCount * vocabulary) : default;

    public ReadOnlySpan<float> LogitsOf(int wanted) => picks ? _logits.AsSpan(wanted * vocabulary, vocabulary) : default;

    public void Add(int token, int slot, bool wanted)
    {
        if (wanted)
            _wanted[_wantedCount++] = Count;
        _tokens[Count] = token;
        _slots[Count++] = slot;
    }

    public void Clear() => Count = _wantedCount = 0;
}
