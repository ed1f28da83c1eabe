using System.Globalization;
using System.Text;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Reports;

/// <summary>The report's tables.</summary>
internal static class RoutingTables
{
    public static string Losses(ReportLosses losses)
    {
        var table = Open("routing", "nats/byte", "bits/byte", "perplexity");
        foreach (var (name, loss) in (ReadOnlySpan<(string, double)>)[("top-k, as trained", losses.TopK), ("causal, as sampled", losses.Causal)])
            Row(table, name, Units.Loss(loss), Units.Loss(loss / Math.Log(2)), Math.Exp(loss).ToString("F3", CultureInfo.InvariantCulture));
        return $"{Close(table)}<p class=\"note\">{Units.Grouped(losses.Tokens)} bytes in {Units.Plural(losses.Sequences, "sequence")} of the validation part.</p>";
    }

    public static string Layers(ReportData data)
    {
        var table = Open("layer", "k", "capacity", "causal capacity", "agreement", "precision", "recall");
        foreach (var layer in data.Layers)
        {
            Row(
                table, $"{layer.Layer}", $"{data.Model.Layers[layer.Layer].Tokens}", Units.Percent(layer.Capacity), Units.Percent(layer.CausalCapacity),
                Units.Percent(layer.Agreement), Units.Percent(layer.Precision), Units.Percent(layer.Recall));
        }

        return Close(table);
    }

    private static StringBuilder Open(params ReadOnlySpan<string> columns)
    {
        var table = new StringBuilder("<div class=\"scroll\"><table>\n<tr>");
        foreach (var column in columns)
            table.Append($"<th>{Html.Escape(column)}</th>");
        return table.Append("</tr>\n");
    }

    private static void Row(StringBuilder table, params ReadOnlySpan<string> cells)
    {
        table.Append("<tr>");
        foreach (var cell in cells)
            table.Append($"<td>{Html.Escape(cell)}</td>");
        table.Append("</tr>\n");
    }

    private static string Close(StringBuilder table) => table.Append("</table></div>\n").ToString();
}
