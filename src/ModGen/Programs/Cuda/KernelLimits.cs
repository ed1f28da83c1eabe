namespace ModGen.Programs;

/// <summary>What the CUDA kernels take at most where the language of specs has more. Their static assertions say the same, to whoever reads a compiler's log.</summary>
internal static class KernelLimits
{
    // A lane of attention holds eight columns of a head; a block a row of the stream in registers, and the scores of a sequence in shared memory.
    public const int HeadWidth = 256, Width = 32768, RoutedContext = 57000;

    /// <summary>Refuses a model that no GPU can run.</summary>
    /// <param name="model">The model.</param>
    /// <param name="trains">Whether it selects tokens of whole sequences.</param>
    /// <exception cref="ArgumentException">A size is beyond the kernels; the message has it.</exception>
    public static void Check(ModelDescription model, bool trains)
    {
        Check(model, "a head", model.HeadWidth, HeadWidth, "columns");
        Check(model, "the stream", model.Width, Width, "columns");
        if (trains && model.Layers.Any(layer => layer.IsRouted))
            Check(model, "a routed sequence", model.Context, RoutedContext, "positions");
    }

    private static void Check(ModelDescription model, string what, int size, int most, string unit)
    {
        if (size > most)
            throw new ArgumentException($"{model.Name} cannot run on a GPU: {what} has {size} {unit}, and the kernels take {most} at most. Create it on the CPU, or declare less.", nameof(model));
    }
}
