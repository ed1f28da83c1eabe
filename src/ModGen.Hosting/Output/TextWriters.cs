using System.Text;
using Spectre.Console;

namespace ModGen.Hosting.Output;

/// <summary>Writes a sampled text as it comes.</summary>
internal abstract class SampledTextWriter<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    public abstract void Write(SampledToken<TModel> token);

    public abstract void End();
}

/// <summary>Chooses the writer for where a text goes.</summary>
internal static class TextWriters
{
    public static SampledTextWriter<TModel> Create<TModel>(VerbOutput output, string prompt, bool showRouting)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel> =>
        output.IsJson ? new JsonTextWriter<TModel>(output, prompt)
        : showRouting ? new RoutedTextWriter<TModel>(output, prompt)
        : new PlainTextWriter<TModel>(output, prompt);
}

internal sealed class PlainTextWriter<TModel> : SampledTextWriter<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly VerbOutput _output;

    public PlainTextWriter(VerbOutput output, string prompt)
    {
        _output = output;
        output.Out.Write(prompt);
        output.Out.Flush();
    }

    public override void Write(SampledToken<TModel> token)
    {
        _output.Out.Write(token.Text);
        _output.Out.Flush();
    }

    public override void End() => _output.Out.WriteLine();
}

/// <summary>One object a token, and one for the text.</summary>
internal sealed class JsonTextWriter<TModel>(VerbOutput output, string prompt) : SampledTextWriter<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly StringBuilder _text = new();
    private FinishReason? _finish;
    private int _tokens;

    public override void Write(SampledToken<TModel> token)
    {
        _text.Append(token.Text);
        _finish = token.Finish;
        _tokens++;
        output.Emit("token", new
        {
            token.Token,
            token.Text,
            token.Position,
            token.Depth,
            Entered = token.Routing.RoutedLayers.Where(token.Entered),
        });
    }

    public override void End() => output.Emit("text", new { Index = 0, prompt, Text = _text.ToString(), Tokens = _tokens, Finish = _finish });
}

/// <summary>Colours each piece as it comes, or writes a line and its marks when the line is complete.</summary>
internal sealed class RoutedTextWriter<TModel>(VerbOutput output, string prompt) : SampledTextWriter<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly List<RoutedPiece> _line = [];
    private bool _begun;

    public override void Write(SampledToken<TModel> token)
    {
        if (!_begun)
            foreach (var piece in RoutedText.Of(Encoding.UTF8.GetBytes(prompt), token.Routing).Pieces)
                Add(piece);
        _begun = true;
        foreach (var rune in token.Text.EnumerateRunes())
            if (rune.Value != '\r')
                Add(new RoutedPiece(rune.ToString(), token.Depth));
    }

    public override void End()
    {
        Flush();
        if (output.IsTerminal)
            output.Ansi.WriteLine();
        RoutedText.WriteLegend(output, RoutedLayers);
    }

    private static int RoutedLayers => TModel.Description.Layers.Count(layer => layer.IsRouted);

    private void Add(RoutedPiece piece)
    {
        if (output.IsTerminal)
        {
            output.Ansi.Write(RoutedText.Colored(piece, RoutedLayers));
            return;
        }

        _line.Add(piece);
        if (piece.Text == "\n")
            Flush();
    }

    private void Flush()
    {
        foreach (var line in RoutedText.MarkedLines(_line))
            output.Out.WriteLine(line);
        _line.Clear();
    }
}
