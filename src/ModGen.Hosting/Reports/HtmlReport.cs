using System.Text;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Reports;

/// <summary>One self-contained page: no script, nothing from the network, light and dark. It is well-formed XML too.</summary>
internal static class HtmlReport
{
    /// <summary>Writes the page; the file appears whole or not at all.</summary>
    public static void Write(string path, ReportData data, VerbOutput output)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllText(temporary, Page(data));
        File.Move(temporary, path, overwrite: true);
        output.Note($"Report: {path}");
        output.Emit("report", new { File = path });
    }

    public static string Page(ReportData data)
    {
        var page = new StringBuilder();
        var name = Html.Escape(data.Model.Name);
        page.Append($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <title>{name}</title>
            <style>{ReportStyle.Css(data.Maps.Count == 0 ? 0 : data.Maps[0].Layers.Count)}</style>
            </head>
            <body>
            <main>
            <h1>{name}</h1>
            {Summary(data)}

            """);
        Section(page, "Loss", LossChart.Svg(data.History));
        if (data.Evaluation is not null)
            Section(page, "Top-k against causal routing", RoutingTables.Losses(data.Evaluation));
        if (data.Layers.Count > 0)
        {
            Section(page, "Routed layers", RoutingTables.Layers(data));
            Section(page, "Who enters: layer × position", RoutingFigure.ByPosition(data) + string.Concat(data.Maps.Select(RoutingFigure.Map)));
            Section(page, "A validation text by depth", RoutingFigure.Legend(data.Layers.Count) + string.Concat(data.Maps.Select(RoutingFigure.Text)));
        }

        page.Append("</main>\n</body>\n</html>\n");
        return page.ToString();
    }

    private static void Section(StringBuilder page, string title, string content)
    {
        if (content.Length > 0)
            page.Append($"<section>\n<h2>{Html.Escape(title)}</h2>\n{content}\n</section>\n");
    }

    private static string Summary(ReportData data)
    {
        var model = data.Model;
        var routed = model.Layers.Where(layer => layer.IsRouted).ToList();
        var text = $"{Units.Count(model.Parameters)} parameters, {Units.Plural(model.Layers.Count, "layer")} of width {model.Width}, context {model.Context}. ";
        text += routed.Count == 0
            ? "No layer is routed."
            : $"{routed.Count} of the layers are routed ({string.Join(", ", routed.Select(layer => $"k = {layer.Tokens}").Distinct())}); a token costs {Units.Flops(model.FlopsPerToken)} forward, {Units.Percent(model.FlopsPerToken / model.DenseFlopsPerToken)} of the dense model's.";
        return $"<p class=\"summary\">{Html.Escape(text)}</p>";
    }
}
