namespace ModGen.Data;

/// <summary>A stretch of a text.</summary>
internal readonly record struct TextRange(long Start, long Length)
{
    public long End => Start + Length;
}

/// <summary>
/// Divides a text into training and validation: the validation part is a number of pieces at even distances, so that
/// it samples the whole text, each long enough for at least one window.
/// </summary>
internal sealed record CorpusSplit(IReadOnlyList<TextRange> Training, IReadOnlyList<TextRange> Validation)
{
    private const int MostPieces = 64;

    public static CorpusSplit Of(long length, int context, double validationFraction, string name)
    {
        var window = context + 1L;
        if (length < window)
            throw new CorpusException($"{name}: {length} bytes are fewer than the {window} of one context and its last target; add text or declare a shorter Context.");
        if (validationFraction == 0)
            return new CorpusSplit([new TextRange(0, length)], []);

        var wanted = Math.Max((long)(length * validationFraction), window);
        var pieces = (int)Math.Clamp(wanted / (4 * window), 1, MostPieces);
        var piece = wanted / pieces;
        if (length - piece * pieces < window * pieces)
        {
            throw new CorpusException(
                $"{name}: {length} bytes cannot be split into training and validation with {window} bytes each at least; add text, declare a shorter Context, or set the validation fraction to 0.");
        }

        List<TextRange> training = [], validation = [];
        long start = 0;
        for (var i = 0; i < pieces; i++)
        {
            // Each piece closes its share of the text; Math.BigMul is not needed below 2^57 bytes.
            var end = length * (i + 1) / pieces;
            training.Add(new TextRange(start, end - piece - start));
            validation.Add(new TextRange(end - piece, piece));
            start = end;
        }

        return new CorpusSplit(training, validation);
    }
}
