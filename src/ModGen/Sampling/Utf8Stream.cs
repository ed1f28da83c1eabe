using System.Text;

namespace ModGen.Sampling;

/// <summary>Turns bytes that come one by one into text: only whole characters come out, and U+FFFD for what is none.</summary>
internal sealed class Utf8Stream
{
    private static readonly string[] Ascii = [.. Enumerable.Range(0, 128).Select(c => ((char)c).ToString())];
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private bool _inside;

    /// <summary>What is complete with this byte; often nothing.</summary>
    public string Append(byte value)
    {
        if (!_inside && value < 128)
            return Ascii[value];
        Span<char> characters = stackalloc char[4];
        var count = _decoder.GetChars([value], characters, flush: false);
        _inside = count == 0 || value >= 0xC0;
        return count == 0 ? "" : new string(characters[..count]);
    }

    /// <summary>Ends the text: bytes that began a character become U+FFFD.</summary>
    public string Finish()
    {
        Span<char> characters = stackalloc char[4];
        var count = _decoder.GetChars([], characters, flush: true);
        _inside = false;
        return count == 0 ? "" : new string(characters[..count]);
    }

    /// <summary>Forgets an unfinished character.</summary>
    public void Clear()
    {
        _decoder.Reset();
        _inside = false;
    }
}
