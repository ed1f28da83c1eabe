using System.Text;

namespace ModGen.Sampling;

/// <summary>
/// Finds stop texts in text that comes in pieces. What may be the beginning of one is held back until it is clear; a
/// stop text and what comes after it never come out.
/// </summary>
internal sealed class StopMatcher
{
    private readonly StringBuilder _held = new();
    private string[] _stops = [];

    /// <summary>True once a stop text has been found.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Begins a new text.</summary>
    public void Begin(IReadOnlyList<string> stops)
    {
        _stops = [.. stops];
        _held.Clear();
        Stopped = false;
    }

    /// <summary>Takes a piece and returns what is safe to show.</summary>
    public string Append(string piece)
    {
        if (_stops.Length == 0 || Stopped)
            return Stopped ? "" : piece;
        if (piece.Length == 0)
            return "";
        var text = _held.Length == 0 ? piece : _held.Append(piece).ToString();
        _held.Clear();
        var (first, hold) = (-1, 0);
        foreach (var stop in _stops)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first))
                first = at;
            hold = Math.Max(hold, HeldBack(text, stop));
        }

        Stopped = first >= 0;
        if (Stopped)
            return text[..first];
        _held.Append(text, text.Length - hold, hold);
        return hold == 0 ? text : text[..^hold];
    }

    /// <summary>Ends the text and returns what was held back.</summary>
    public string Finish()
    {
        var rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    /// <summary>Characters at the end of <paramref name="text"/> that begin <paramref name="stop"/>: the most there are.</summary>
    private static int HeldBack(string text, string stop)
    {
        for (var length = Math.Min(stop.Length - 1, text.Length); length > 0; length--)
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                return length;
        return 0;
    }
}
