using System;
using System.Text;

namespace ModGen.Compiler.Emit;

/// <summary>Writes indented source text, one line at a time, with \n at every line's end.</summary>
internal sealed class CodeWriter
{
    private readonly StringBuilder _text = new();
    private int _depth;

    /// <summary>Writes a line; an empty one without indentation.</summary>
    public void Line(string line = "")
    {
        if (line.Length > 0)
            _text.Append(' ', 4 * _depth).Append(line);
        _text.Append('\n');
    }

    /// <summary>Writes each line of <paramref name="lines"/>.</summary>
    public void Lines(string lines)
    {
        foreach (var line in lines.Split('\n'))
            Line(line.TrimEnd('\r'));
    }

    /// <summary>Writes a header and an opening brace; disposing the result closes it.</summary>
    public IDisposable Block(string header, string close = "}")
    {
        Lines(header);
        Line("{");
        _depth++;
        return new Scope(this, close);
    }

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    private sealed class Scope(CodeWriter writer, string close) : IDisposable
    {
        public void Dispose()
        {
            writer._depth--;
            writer.Line(close);
        }
    }
}
