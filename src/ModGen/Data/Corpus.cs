using System.Text;
using ModGen.Data;

namespace ModGen;

/// <summary>
/// Text for a byte model, one token a byte, divided into training and validation. Two openings of the same text give
/// the same batches.
/// </summary>
/// <typeparam name="TModel">The model to train; its vocabulary must hold the 256 bytes.</typeparam>
public sealed class Corpus<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly TextBuffer _text;
    private readonly CorpusSplit _split;
    private readonly WindowOrder _order;

    private Corpus(TextBuffer text, string source, int files, double validationFraction)
    {
        if (text.Length == 0)
            throw new CorpusException($"{source}: the text is empty.");
        _text = text;
        _split = CorpusSplit.Of(text.Length, TModel.Description.Context, validationFraction, source);
        _order = new WindowOrder(_split.Training, TModel.Description.Context);
        Source = source;
        Files = files;
    }

    /// <summary>Where the text came from: a path, or a word for text given otherwise.</summary>
    public string Source { get; }

    /// <summary>Files read.</summary>
    public int Files { get; }

    /// <summary>Tokens (bytes) in all.</summary>
    public long Length => _text.Length;

    /// <summary>Tokens of the training part.</summary>
    public long TrainingLength => _split.Training.Sum(range => range.Length);

    /// <summary>Tokens of the validation part.</summary>
    public long ValidationLength => _split.Validation.Sum(range => range.Length);

    /// <summary>Sequences an epoch.</summary>
    public long SequencesPerEpoch => _order.Count;

    /// <summary>Sequences of the validation part: its pieces cut into contexts without overlap.</summary>
    public long ValidationSequences => _split.Validation.Sum(ValidationWindows);

    /// <summary>Opens a text file, or all files below a folder in ordinal order of their paths. Names with a leading dot are left out.</summary>
    /// <param name="path">A file or a folder.</param>
    /// <param name="validationFraction">Share of the text kept for validation, 0 to below 1.</param>
    /// <param name="options">Which files, how much, and whether bytes that are no text may be.</param>
    /// <exception cref="CorpusException">The text is missing, unreadable, empty, not UTF-8, or shorter than a context and one byte; or the model has no token for each byte.</exception>
    public static Corpus<TModel> Open(string path, double validationFraction = 0.05, CorpusOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckFraction(validationFraction);
        RequireBytes();
        options ??= new CorpusOptions();
        var files = CorpusFiles.Find(path, options);
        return new Corpus<TModel>(CorpusReader.Read(files, options), path, files.Count, validationFraction);
    }

    /// <summary>Opens a text in memory.</summary>
    /// <param name="text">The text; encoded as UTF-8.</param>
    /// <param name="validationFraction">Share of the text kept for validation, 0 to below 1.</param>
    /// <exception cref="CorpusException">As of <see cref="Open"/>.</exception>
    public static Corpus<TModel> OpenText(string text, double validationFraction = 0.05)
    {
        ArgumentNullException.ThrowIfNull(text);
        CheckFraction(validationFraction);
        RequireBytes();
        var buffer = new TextBuffer();
        try
        {
            buffer.Append(Strict.GetBytes(text));
        }
        catch (EncoderFallbackException e)
        {
            throw new CorpusException($"the text: character {e.Index} is half a surrogate pair and has no UTF-8.", e);
        }

        return new Corpus<TModel>(buffer, "the text", files: 0, validationFraction);
    }

    /// <summary>Opens the English API documentation that the .NET SDK carries, tens of MB of XML.</summary>
    /// <param name="validationFraction">Share of the text kept for validation, 0 to below 1.</param>
    /// <param name="options">How much to read of it.</param>
    /// <exception cref="CorpusException">No SDK with documentation is found; the message says where it was looked for.</exception>
    public static Corpus<TModel> SdkDocumentation(double validationFraction = 0.05, CorpusOptions? options = null)
    {
        CheckFraction(validationFraction);
        RequireBytes();
        var files = SdkDocumentationFiles.Find(SdkDocumentationFiles.Candidates());
        var text = CorpusReader.Read(files, options ?? new CorpusOptions());
        return new Corpus<TModel>(text, "the SDK's API documentation", files.Count, validationFraction);
    }

    /// <summary>
    /// Training batches without end. Each epoch visits every window of the training part once, in an order and at
    /// offsets of its own.
    /// </summary>
    /// <param name="batch">Sequences a batch, at least 1.</param>
    /// <param name="seed">Names the order.</param>
    /// <param name="start">Sequences to skip, 0 … 2⁶²: <see cref="TokenBatch{TModel}.NextPosition"/> of the last batch that was trained on, to resume.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is below 1 or makes more than an array holds, or the start is out of range.</exception>
    public IEnumerable<TokenBatch<TModel>> Batches(int batch, ulong seed, long start = 0)
    {
        CheckBatch(batch);
        Check.Between(start, 0, 1L << 62, nameof(start));
        return Endless();

        IEnumerable<TokenBatch<TModel>> Endless()
        {
            for (var position = start; ; position += batch)
                yield return TrainingBatch(batch, seed, position);
        }
    }

    /// <summary>The validation part in order, cut into contexts without overlap. The last batch is padded with rows that do not count.</summary>
    /// <param name="batch">Sequences a batch, at least 1.</param>
    /// <param name="sequences">Sequences to take at most, at least 1, at even distances over the validation part.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is below 1 or makes more than an array holds, or no sequence is to be taken.</exception>
    public IEnumerable<TokenBatch<TModel>> ValidationBatches(int batch, long sequences = long.MaxValue)
    {
        CheckBatch(batch);
        Check.AtLeast(sequences, 1, nameof(sequences));
        return Finite(Math.Min(sequences, ValidationSequences));

        IEnumerable<TokenBatch<TModel>> Finite(long count)
        {
            for (long position = 0; position < count; position += batch)
                yield return ValidationBatch(batch, position, count);
        }
    }

    private static void CheckBatch(int batch) => Check.Between(batch, 1, Array.MaxLength / TModel.Description.Context, nameof(batch));

    private TokenBatch<TModel> TrainingBatch(int batch, ulong seed, long position)
    {
        var context = TModel.Description.Context;
        var (tokens, targets) = (new int[batch * context], new int[batch * context]);
        for (var row = 0; row < batch; row++)
            ReadWindow(_order.Start(seed, position + row), tokens, targets, row);
        return new TokenBatch<TModel>(tokens, targets, position, batch);
    }

    private TokenBatch<TModel> ValidationBatch(int batch, long position, long count)
    {
        var context = TModel.Description.Context;
        var (tokens, targets) = (new int[batch * context], new int[batch * context]);
        targets.AsSpan().Fill(-1);
        var rows = (int)Math.Min(batch, count - position);
        for (var row = 0; row < rows; row++)
            ReadWindow(ValidationStart((long)((Int128)(position + row) * ValidationSequences / count)), tokens, targets, row);
        return new TokenBatch<TModel>(tokens, targets, position, rows);
    }

    private void ReadWindow(long start, int[] tokens, int[] targets, int row)
    {
        var context = TModel.Description.Context;
        _text.Read(start, tokens.AsSpan(row * context, context));
        _text.Read(start + 1, targets.AsSpan(row * context, context));
    }

    private long ValidationStart(long window)
    {
        foreach (var range in _split.Validation)
        {
            if (window < ValidationWindows(range))
                return range.Start + window * TModel.Description.Context;
            window -= ValidationWindows(range);
        }

        throw new ArgumentOutOfRangeException(nameof(window), window, "There is no such validation window.");
    }

    private static long ValidationWindows(TextRange range) => (range.Length - 1) / TModel.Description.Context;

    private static void CheckFraction(double validationFraction) => Check.Within(validationFraction, 0, 1, nameof(validationFraction));

    private static void RequireBytes()
    {
        if (TModel.Description.Vocabulary < 256)
            throw new CorpusException($"{TModel.Description.Name} has Vocabulary {TModel.Description.Vocabulary}; text is read as bytes and needs 256.");
    }
}
