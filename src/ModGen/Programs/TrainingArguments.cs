namespace ModGen.Programs;

/// <summary>What a training program of any device takes: whole batches of tokens and targets of the vocabulary.</summary>
internal sealed class TrainingArguments(ModelDescription model, int batch)
{
    public void CheckTokens(ReadOnlySpan<int> tokens)
    {
        CheckLength(tokens.Length, "tokens");
        foreach (var token in tokens)
            if ((uint)token >= (uint)model.Vocabulary)
                throw new ArgumentException($"Token {token} is not in the vocabulary: 0 to {model.Vocabulary - 1}.", nameof(tokens));
    }

    public void CheckTargets(ReadOnlySpan<int> targets)
    {
        CheckLength(targets.Length, "targets");
        foreach (var target in targets)
            if (target >= model.Vocabulary)
                throw new ArgumentException($"Target {target} is not in the vocabulary: 0 to {model.Vocabulary - 1}, or negative for none.", nameof(targets));
    }

    public void CheckLogits(ReadOnlySpan<int> tokens, ReadOnlySpan<float> logits)
    {
        var expected = (long)tokens.Length * model.Vocabulary;
        if (logits.Length != expected)
            throw new ArgumentException($"{logits.Length} logits were given room for; the batch has {expected}.", nameof(logits));
    }

    private void CheckLength(int length, string what)
    {
        var expected = (long)batch * model.Context;
        if (length != expected)
            throw new ArgumentException($"{length} {what} were given; batch {batch} × Context {model.Context} is {expected}.", what);
    }
}
