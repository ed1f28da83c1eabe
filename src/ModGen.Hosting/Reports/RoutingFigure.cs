using System.Text;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Reports;

/// <summary>Where tokens go: maps of layer × position, and a text coloured by depth.</summary>
internal static class RoutingFigure
{
    private const double Width = 900, Label = 64, RowHeight = 16, Gap = 3;

    /// <summary>Shares over all sequences: how often each position enters each layer under top-k.</summary>
    public static string ByPosition(ReportData data)
    {
        var positions = data.Layers[0].TopKByPosition.Count;
        var svg = Open(data.Layers.Count);
        for (var row = 0; row < data.Layers.Count; row++)
        {
            var layer = data.Layers[row];
            RowLabel(svg, row, layer.Layer);
            var most = Math.Max(layer.TopKByPosition.Max(), 1e-9);
            for (var position = 0; position < positions; position++)
                Cell(svg, row, position, 1, positions, layer.TopKByPosition[position] / most);
        }

        return $"<h3>Share of the {Units.Plural(data.Evaluation!.Sequences, "sequence")} in which a position enters, top-k routing</h3>\n{Close(svg, data.Layers.Count, positions)}";
    }

    /// <summary>One sequence: a cell is filled where the position entered.</summary>
    public static string Map(ReportMap map)
    {
        var positions = map.Entered[0].Length;
        var svg = Open(map.Layers.Count);
        for (var row = 0; row < map.Layers.Count; row++)
        {
            RowLabel(svg, row, map.Layers[row]);
            svg.Append($"<rect class=\"off\" x=\"{Html.Number(Label)}\" y=\"{Html.Number(Y(row))}\" width=\"{Html.Number(Width - Label)}\" height=\"{RowHeight}\"/>\n");
            foreach (var (start, length) in Runs(map.Entered[row]))
                Cell(svg, row, start, length, positions, 1);
        }

        return $"<h3>One sequence, {Html.Escape(map.Title)}</h3>\n{Close(svg, map.Layers.Count, positions)}";
    }

    /// <summary>The sequence as text, each character in the colour of its depth.</summary>
    public static string Text(ReportMap map)
    {
        var html = new StringBuilder($"<h3>{Html.Escape(map.Title)}</h3>\n<pre>");
        var pieces = map.Text.Pieces;
        for (var i = 0; i < pieces.Count;)
        {
            var run = new StringBuilder();
            var depth = pieces[i].Depth;
            for (; i < pieces.Count && pieces[i].Depth == depth; i++)
                run.Append(pieces[i].Text);
            html.Append($"<span class=\"d{depth}\">{Html.Escape(run.ToString())}</span>");
        }

        return html.Append("</pre>\n").ToString();
    }

    /// <summary>What the colours of <see cref="Text"/> mean.</summary>
    public static string Legend(int routedLayers) =>
        $"<p class=\"legend\">Routed blocks gone through: {string.Concat(Enumerable.Range(0, routedLayers + 1).Select(depth => $"<span class=\"d{depth}\">■ {depth}</span>"))}</p>\n";

    private static StringBuilder Open(int rows) =>
        new($"<svg viewBox=\"0 0 {Width} {Html.Number(Y(rows) + 14)}\" role=\"img\" aria-label=\"Routed layer by position\">\n");

    private static string Close(StringBuilder svg, int rows, int positions) => svg
        .Append($"<text x=\"{Html.Number(Label)}\" y=\"{Html.Number(Y(rows) + 10)}\">position 0</text><text x=\"{Width}\" y=\"{Html.Number(Y(rows) + 10)}\" text-anchor=\"end\">{positions - 1}</text>\n</svg>\n")
        .ToString();

    private static void RowLabel(StringBuilder svg, int row, int layer) =>
        svg.Append($"<text x=\"{Html.Number(Label - 8)}\" y=\"{Html.Number(Y(row) + 12)}\" text-anchor=\"end\">layer {layer}</text>\n");

    private static void Cell(StringBuilder svg, int row, int start, int length, int positions, double strength)
    {
        var unit = (Width - Label) / positions;
        // Neighbours overlap by a hair, or seams show between them.
        svg.Append($"<rect class=\"on\" x=\"{Html.Number(Label + start * unit)}\" y=\"{Html.Number(Y(row))}\" width=\"{Html.Number(length * unit + 0.2)}\" height=\"{RowHeight}\"{(strength >= 1 ? "" : $" opacity=\"{Html.Number(strength)}\"")}/>\n");
    }

    private static double Y(int row) => row * (RowHeight + Gap);

    private static IEnumerable<(int Start, int Length)> Runs(bool[] entered)
    {
        for (var start = 0; start < entered.Length; start++)
        {
            if (!entered[start])
                continue;
            var end = start;
            while (end < entered.Length && entered[end])
                end++;
            yield return (start, end - start);
            start = end;
        }
    }
}
