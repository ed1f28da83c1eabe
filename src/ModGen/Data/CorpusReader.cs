using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace ModGen.Data;

/// <summary>Reads files into one text, checking that they are text.</summary>
internal static class CorpusReader
{
    private const int PieceBytes = 1 << 24;

    /// <summary>Reads the files in the order given, a line break between two, and says of the first bad one what is wrong with it.</summary>
    public static TextBuffer Read(IReadOnlyList<string> files, CorpusOptions options)
    {
        var text = new TextBuffer();
        foreach (var file in files)
        {
            if (text.Length >= options.MaximumBytes)
                break;
            if (text.Length > 0)
                text.Append("\n"u8);
            var start = text.Length;
            ReadFile(file, text, options.MaximumBytes);
            if (!options.AllowBytes)
                RefuseWhatIsNotText(file, text, start, cut: text.Length >= options.MaximumBytes);
        }

        text.Truncate(options.MaximumBytes);
        return text;
    }

    private static void ReadFile(string file, TextBuffer text, long maximum)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
            var first = true;
            while (text.Length < maximum)
            {
                var piece = text.Reserve((int)Math.Min(PieceBytes, Math.Max(64, maximum - text.Length)));
                var read = stream.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false);
                if (read == 0)
                    break;
                if (first && piece[..read].StartsWith(Encoding.UTF8.Preamble))
                {
                    piece[Encoding.UTF8.Preamble.Length..read].CopyTo(piece);
                    text.Commit(read - Encoding.UTF8.Preamble.Length);
                }
                else
                {
                    text.Commit(read);
                }

                first = false;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CorpusException($"{file}: cannot be read: {Errors.OneLine(e)}", e);
        }
    }

    private static void RefuseWhatIsNotText(string file, TextBuffer text, long start, bool cut)
    {
        for (var offset = start; offset < text.Length;)
        {
            var length = (int)Math.Min(PieceBytes, text.Length - offset);
            var piece = text.Slice(offset, length);
            if (offset + length < text.Length || cut)
                piece = piece[..^IncompleteTail(piece)];
            if (piece.Length == 0)
                break;
            var zero = piece.IndexOf((byte)0);
            if (zero >= 0)
                throw new CorpusException($"{file}: byte {offset + zero - start} is 0, so this is no text; name a text file, filter by extension, or allow bytes.");
            if (!Utf8.IsValid(piece))
                throw new CorpusException($"{file}: the bytes at {offset + FirstInvalid(piece) - start} are not UTF-8; convert the file, filter by extension, or allow bytes.");
            offset += piece.Length;
        }

        GC.KeepAlive(text);
    }

    /// <summary>Bytes at the end that begin a character and do not finish it, 0 … 3.</summary>
    private static int IncompleteTail(ReadOnlySpan<byte> piece)
    {
        for (var back = 1; back <= Math.Min(3, piece.Length); back++)
        {
            var lead = piece[^back];
            if ((lead & 0xC0) == 0x80)
                continue;
            var needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
            return needed > back ? back : 0;
        }

        return 0;
    }

    private static int FirstInvalid(ReadOnlySpan<byte> piece)
    {
        var offset = 0;
        while (Rune.DecodeFromUtf8(piece[offset..], out _, out var consumed) == OperationStatus.Done)
            offset += consumed;
        return offset;
    }
}
