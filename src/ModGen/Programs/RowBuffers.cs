namespace ModGen.Programs;

/// <summary>Columns of rows, reused from call to call.</summary>
internal sealed class RowBuffers(int rows)
{
    private readonly int[] _indices = new int[rows];
    private readonly int[] _visible = new int[rows];

    public int[] Tokens { get; } = new int[rows];

    public int[] Sequences { get; } = new int[rows];

    public int[] Positions { get; } = new int[rows];

    public void Set(int place, int row, int token, int sequence, int position)
    {
        _indices[place] = row;
        Tokens[place] = token;
        Sequences[place] = sequence;
        Positions[place] = position;
    }

    public InferenceRows First(int count) => new(
        _indices.AsSpan(0, count), Tokens.AsSpan(0, count), Sequences.AsSpan(0, count), Positions.AsSpan(0, count), _visible.AsSpan(0, count));
}
