namespace ModGen.Sampling;

/// <summary>The rows of the next call of an inference program, gathered one by one.</summary>
internal sealed class StepRows(int maximum, int slots, int vocabulary)
{
    private readonly int[] _tokens = new int[maximum];
    private readonly int[] _slots = new int[maximum];
    private readonly int[] _wanted = new int[slots];
    private readonly float[] _logits = new float[checked(slots * vocabulary)];
    private int _wantedCount;

    public int Count { get; private set; }

    public bool IsFull => Count == maximum;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    public ReadOnlySpan<int> Slots => _slots.AsSpan(0, Count);

    /// <summary>Rows whose logits are wanted: at most one a slot.</summary>
    public ReadOnlySpan<int> Wanted => _wanted.AsSpan(0, _wantedCount);

    /// <summary>(wanted, vocabulary).</summary>
    public Span<float> Logits => _logits.AsSpan(0, _wantedCount * vocabulary);

    public ReadOnlySpan<float> LogitsOf(int wanted) => _logits.AsSpan(wanted * vocabulary, vocabulary);

    public void Add(int token, int slot, bool wanted)
    {
        if (wanted)
            _wanted[_wantedCount++] = Count;
        _tokens[Count] = token;
        _slots[Count++] = slot;
    }

    public void Clear() => Count = _wantedCount = 0;
}
