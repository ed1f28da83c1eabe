namespace ModGen.Programs;

public abstract partial class CpuInferenceProgram
{
    private int CheckSequence(int sequence) =>
        (uint)sequence < (uint)Sequences
            ? sequence
            : throw new ArgumentOutOfRangeException(nameof(sequence), $"Sequence {sequence} does not exist: the program holds {Sequences}.");

    private void CheckRows(ReadOnlySpan<int> tokens, ReadOnlySpan<int> sequences, ReadOnlySpan<byte> forced)
    {
        if (tokens.Length > MaximumRows)
            throw new ArgumentException($"{tokens.Length} rows were given; one call takes {MaximumRows} at most.", nameof(tokens));
        if (sequences.Length != tokens.Length)
            throw new ArgumentException($"{tokens.Length} tokens were given with {sequences.Length} sequences.", nameof(sequences));
        if (!forced.IsEmpty && forced.Length != RoutedLayers * tokens.Length)
            throw new ArgumentException($"{forced.Length} forced decisions were given; {RoutedLayers} routed layers × {tokens.Length} rows are {RoutedLayers * tokens.Length}.", nameof(forced));
        foreach (var token in tokens)
            if ((uint)token >= (uint)_model.Description.Vocabulary)
                throw new ArgumentException($"Token {token} is not in the vocabulary: 0 to {_model.Description.Vocabulary - 1}.", nameof(tokens));
        foreach (var sequence in sequences)
            CheckSequence(sequence);
    }

    private void CheckLogits(int rows, ReadOnlySpan<int> logitRows, ReadOnlySpan<float> logits)
    {
        var previous = -1;
        foreach (var row in logitRows)
        {
            if (row <= previous || row >= rows)
                throw new ArgumentException($"Logits of row {row} were asked for after row {previous}; rows must ascend within 0 to {rows - 1}.", nameof(logitRows));
            previous = row;
        }

        if (logits.Length != (long)logitRows.Length * _model.Description.Vocabulary)
            throw new ArgumentException($"Room for {logits.Length} logits was given; {logitRows.Length} rows × Vocabulary {_model.Description.Vocabulary} is {(long)logitRows.Length * _model.Description.Vocabulary}.", nameof(logits));
    }
}
