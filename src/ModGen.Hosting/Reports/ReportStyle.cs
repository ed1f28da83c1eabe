using System.Text;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Reports;

/// <summary>The page's style sheet.</summary>
internal static class ReportStyle
{
    private const string Fixed = """

        :root { color-scheme: light dark; --ground: #fcfcfa; --text: #1d1f21; --soft: #6a6f76; --line: #dcdcd6; --card: #ffffff; --train: #4f6fd0; --valid: #d05a2c; --none: #9a9a94; --empty: #ececE6; }
        @media (prefers-color-scheme: dark) { :root { --ground: #16181b; --text: #e4e4e0; --soft: #9aa0a8; --line: #33373d; --card: #1d2024; --train: #8aa4f0; --valid: #f0905c; --none: #7c8088; --empty: #2a2e33; } }
        body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
        h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
        h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
        h3 { font-size: .95rem; font-weight: 600; margin: 1.25rem 0 .4rem; color: var(--soft); }
        .summary { color: var(--soft); margin: 0 0 1.5rem; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.25rem; margin: 0 0 1.25rem; }
        svg { display: block; width: 100%; height: auto; overflow: visible; }
        svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
        .grid { stroke: var(--line); stroke-width: 1; }
        .train { fill: none; stroke: var(--train); stroke-width: 1.8; stroke-linejoin: round; }
        .raw { fill: none; stroke: var(--train); stroke-width: 1; opacity: .28; }
        .valid { fill: none; stroke: var(--valid); stroke-width: 1.8; }
        .dot { fill: var(--valid); }
        .key-train { fill: var(--train); } .key-valid { fill: var(--valid); }
        .off { fill: var(--empty); } .on { fill: var(--train); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
        th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
        pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 14px/1.55 ui-monospace, monospace; margin: 0; }
        .d0 { color: var(--none); }
        .legend span { margin-right: .9rem; font: 14px ui-monospace, monospace; }
        .note { color: var(--soft); font-size: .9rem; margin: .5rem 0 0; }

        """;

    /// <summary>The style sheet, with a colour for each depth.</summary>
    public static string Css(int routedLayers)
    {
        var css = new StringBuilder(Fixed);
        for (var depth = 1; depth <= routedLayers; depth++)
            css.Append($".d{depth} {{ color: {DepthScale.Css(depth, routedLayers)}; }}\n");
        return css.ToString();
    }
}
