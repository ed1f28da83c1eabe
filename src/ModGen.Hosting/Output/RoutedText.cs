using System.Globalization;
using System.Text;
using Spectre.Console;

namespace ModGen.Hosting.Output;

/// <summary>A piece of text and the number of routed blocks that it went through.</summary>
internal readonly record struct RoutedPiece(string Text, int Depth);

/// <summary>
/// A text cut into its characters, each with its depth: the number of routed blocks that its last byte entered. In
/// colours on a terminal; elsewhere each line is followed by a line of marks.
/// </summary>
internal sealed class RoutedText(IReadOnlyList<RoutedPiece> pieces, int routedLayers)
{
    private const string Marks = ".123456789abcdefghijklmnopqrstuvwxyz";

    public IReadOnlyList<RoutedPiece> Pieces => pieces;

    public int RoutedLayers => routedLayers;

    public static RoutedText Of<TModel>(string prompt, Generation<TModel> generation)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel> =>
        Of(Encoding.UTF8.GetBytes(prompt + generation.Text), generation.Routing);

    /// <summary>Cuts bytes into characters, carriage returns left out; the map may know more positions than the text has bytes.</summary>
    public static RoutedText Of<TModel>(ReadOnlySpan<byte> text, RoutingMap<TModel> routing)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var pieces = new List<RoutedPiece>();
        for (var at = 0; at < text.Length && at < routing.Length;)
        {
            Rune.DecodeFromUtf8(text[at..], out var rune, out var bytes);
            at += Math.Max(bytes, 1);
            if (rune.Value != '\r')
                pieces.Add(new RoutedPiece(rune.ToString(), routing.Depth(Math.Min(at, routing.Length) - 1)));
        }

        return new RoutedText(pieces, routing.RoutedLayers.Count);
    }

    public void Write(VerbOutput output)
    {
        if (output.IsTerminal)
        {
            foreach (var piece in pieces)
                output.Ansi.Write(Colored(piece, routedLayers));
            output.Ansi.WriteLine();
        }
        else
        {
            foreach (var line in MarkedLines(pieces))
                output.Out.WriteLine(line);
        }
    }

    /// <summary>One piece in the colour of its depth.</summary>
    public static Text Colored(RoutedPiece piece, int routedLayers) => new(piece.Text, new Style(DepthScale.Terminal(piece.Depth, routedLayers)));

    /// <summary>Each line of the text, and below it a mark a character.</summary>
    public static IEnumerable<string> MarkedLines(IEnumerable<RoutedPiece> pieces)
    {
        var (line, marks) = (new StringBuilder(), new StringBuilder());
        foreach (var piece in pieces)
        {
            marks.Append(Mark(piece.Depth)).Append(' ', Math.Max(0, new StringInfo(piece.Text).LengthInTextElements - 1));
            if (piece.Text != "\n")
            {
                line.Append(Rune.IsControl(piece.Text.EnumerateRunes().First()) ? "·" : piece.Text);
                continue;
            }

            yield return line.ToString();
            yield return marks.ToString();
            line.Clear();
            marks.Clear();
        }

        if (line.Length > 0)
        {
            yield return line.ToString();
            yield return marks.ToString();
        }
    }

    public static void WriteLegend(VerbOutput output, int routedLayers)
    {
        if (!output.IsTerminal)
        {
            output.Out.WriteLine($"Marks: routed blocks that a character went through, of {routedLayers}; a dot for none.");
            return;
        }

        output.Ansi.Write(new Text($"Routed blocks gone through, of {routedLayers}:"));
        for (var depth = 0; depth <= routedLayers; depth++)
            output.Ansi.Write(Colored(new RoutedPiece($" {depth}", depth), routedLayers));
        output.Ansi.WriteLine();
    }

    private static char Mark(int depth) => Marks[Math.Min(depth, Marks.Length - 1)];
}
