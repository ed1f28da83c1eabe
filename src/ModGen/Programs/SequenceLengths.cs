namespace ModGen.Programs;

/// <summary>How long the sequences of an inference program are, and what a call that appends to them must keep to.</summary>
internal sealed class SequenceLengths(ModelDescription model, int sequences, int maximumRows, int routedLayers)
{
    private readonly int[] _lengths = new int[sequences];

    /// <summary>Tokens that a sequence holds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public int this[int sequence] => _lengths[Check(sequence)];

    public int Check(int sequence) =>
        (uint)sequence < (uint)_lengths.Length
            ? sequence
            : throw new ArgumentOutOfRangeException(nameof(sequence), $"Sequence {sequence} does not exist: the program holds {_lengths.Length}.");

    public void Clear(int sequence) => _lengths[Check(sequence)] = 0;

    /// <summary>Counts the rows of a call that has run.</summary>
    public void Advance(ReadOnlySpan<int> sequences)
    {
        foreach (var sequence in sequences)
            _lengths[sequence]++;
    }

    public void CheckRows(ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<byte> forced)
    {
        if (tokens.Length > maximumRows)
            throw new ArgumentException($"{tokens.Length} rows were given; one call takes {maximumRows} at most.", nameof(tokens));
        if (sequences.Length != tokens.Length)
            throw new ArgumentException($"{tokens.Length} tokens were given with {sequences.Length} sequences.", nameof(sequences));
        if (!forced.IsEmpty && forced.Length != routedLayers * tokens.Length)
            throw new ArgumentException($"{forced.Length} forced decisions were given; {routedLayers} routed layers × {tokens.Length} rows are {routedLayers * tokens.Length}.", nameof(forced));
        foreach (var token in tokens)
            if ((uint)token >= (uint)model.Vocabulary)
                throw new ArgumentException($"Token {token} is not in the vocabulary: 0 to {model.Vocabulary - 1}.", nameof(tokens));
        foreach (var sequence in sequences)
            Check(sequence);
    }

    public void CheckLogits(int rows, ReadOnlySpan<int> logitRows, ReadOnlySpan<float> logits)
    {
        var previous = -1;
        foreach (var row in logitRows)
        {
            if (row <= previous || row >= rows)
                throw new ArgumentException($"Logits of row {row} were asked for after row {previous}; rows must ascend within 0 to {rows - 1}.", nameof(logitRows));
            previous = row;
        }

        if (logits.Length != (long)logitRows.Length * model.Vocabulary)
            throw new ArgumentException($"Room for {logits.Length} logits was given; {logitRows.Length} rows × Vocabulary {model.Vocabulary} is {(long)logitRows.Length * model.Vocabulary}.", nameof(logits));
    }

    /// <summary>Gives each row its position, and refuses rows of one sequence that do not stand together or do not fit.</summary>
    /// <param name="tokens">(rows) for their number.</param>
    /// <param name="sequences">(rows) checked.</param>
    /// <param name="positions">(rows) overwritten.</param>
    public void Place(ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, Span<int> positions)
    {
        for (var start = 0; start < tokens.Length;)
        {
            var sequence = sequences[start];
            if (sequences[..start].Contains(sequence))
                throw new ArgumentException($"The rows of sequence {sequence} do not stand together.", nameof(sequences));
            var end = start;
            while (end < tokens.Length && sequences[end] == sequence)
                end++;
            if (_lengths[sequence] + (end - start) > model.Context)
                throw new ArgumentException($"Sequence {sequence} holds {_lengths[sequence]} tokens and would get {end - start} more; Context {model.Context} is the most.", nameof(tokens));
            for (var row = start; row < end; row++)
                positions[row] = _lengths[sequence] + row - start;
            start = end;
        }
    }
}
