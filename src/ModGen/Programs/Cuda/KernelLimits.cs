namespace ModGen.Programs;

/// <summary>What the CUDA kernels take at most where the language of specs has more. Their static assertions say the same, to whoever reads a compiler's log.</summary>
internal static class KernelLimits
{
    // A lane of attention holds eight columns of a head; a block a row of the stream in registers, the scores of a sequence in shared memory, and there
    // the sums of a vocabulary's stretches, too: so many groups of four tokens where four divide it, else of two or one.
    public const int HeadWidth = 256, Width = 32768, RoutedContext = 57000, VocabularyGroups = 262144;

    /// <summary>Refuses a model that no GPU can run.</summary>
    /// <param name="model">The model.</param>
    /// <param name="trains">Whether it selects tokens of whole sequences, or else chooses those to come.</param>
    /// <exception cref="ArgumentException">A size is beyond the kernels; the message has it.</exception>
    public static void Check(ModelDescription model, bool trains)
    {
        Check(model, "a head", model.HeadWidth, HeadWidth, "columns");
        Check(model, "the stream", model.Width, Width, "columns");
        if (trains && model.IsRouted)
            Check(model, "a routed sequence", model.Context, RoutedContext, "positions");
        if (!trains)
            Check(model, "the vocabulary", model.Vocabulary, VocabularyGroups * (model.Vocabulary % 4 == 0 ? 4 : model.Vocabulary % 2 == 0 ? 2 : 1), "tokens");
    }

    private static void Check(ModelDescription model, string what, int size, int most, string unit)
    {
        if (size > most)
            throw new ArgumentException($"{model.Name} cannot run on a GPU: {what} has {size} {unit}, and the kernels take {most} at most. Create it on the CPU, or declare less.", nameof(model));
    }
}
