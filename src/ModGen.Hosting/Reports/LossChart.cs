using System.Text;
using ModGen.Hosting.Training;

namespace ModGen.Hosting.Reports;

/// <summary>The loss over the steps: training thin as measured and bold smoothed, validation as dots.</summary>
internal static class LossChart
{
    private const int MostPoints = 600;
    private const double Width = 900, Height = 320, Left = 44, Right = 12, Top = 24, Bottom = 28;

    /// <summary>The chart; empty without points.</summary>
    public static string Svg(IReadOnlyList<HistoryPoint> history)
    {
        if (history.Count == 0)
            return "";
        var raw = Thin(history);
        var smooth = Smooth(raw);
        var validation = history.Where(point => point.Validation is not null).Select(point => (point.Step, Loss: point.Validation!.Value)).ToList();
        // The first steps of a run are far above the rest; the smoothed curve keeps them in view without setting the scale alone.
        var axis = new Axis(history[0].Step, history[^1].Step, 0, smooth.Select(point => point.Loss).Concat(validation.Select(point => point.Loss)).Max() * 1.05);
        var svg = new StringBuilder($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"Loss over steps\">\n");
        Grid(svg, axis);
        svg.Append($"<polyline class=\"raw\" points=\"{Points(raw, axis)}\"/>\n<polyline class=\"train\" points=\"{Points(smooth, axis)}\"/>\n");
        if (validation.Count > 1)
            svg.Append($"<polyline class=\"valid\" points=\"{Points(validation, axis)}\"/>\n");
        foreach (var (step, loss) in validation)
            svg.Append($"<circle class=\"dot\" cx=\"{Html.Number(axis.X(step))}\" cy=\"{Html.Number(axis.Y(loss))}\" r=\"3.5\"><title>step {step}: validation {Output.Units.Loss(loss)}</title></circle>\n");
        Key(svg, validation);
        return svg.Append("</svg>").ToString();
    }

    /// <summary>Means of equal stretches, so that the page stays small however long the run.</summary>
    private static List<(long Step, double Loss)> Thin(IReadOnlyList<HistoryPoint> history)
    {
        var count = Math.Min(MostPoints, history.Count);
        var points = new List<(long, double)>(count);
        for (var i = 0; i < count; i++)
        {
            var (start, end) = ((int)((long)i * history.Count / count), (int)((i + 1L) * history.Count / count));
            var sum = 0.0;
            for (var j = start; j < end; j++)
                sum += history[j].Loss;
            points.Add((history[end - 1].Step, sum / (end - start)));
        }

        return points;
    }

    private static List<(long Step, double Loss)> Smooth(List<(long Step, double Loss)> points)
    {
        var keep = 1 - 1 / Math.Clamp(points.Count / 25.0, 1, 20);
        var (mean, weight) = (0.0, 0.0);
        return points.ConvertAll(point =>
        {
            mean = keep * mean + (1 - keep) * point.Loss;
            weight = keep * weight + (1 - keep);
            return (point.Step, mean / weight);
        });
    }

    private static void Grid(StringBuilder svg, Axis axis)
    {
        foreach (var loss in Ticks(axis.Low, axis.High, 5))
            svg.Append($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Html.Number(axis.Y(loss))}\" y2=\"{Html.Number(axis.Y(loss))}\"/><text x=\"{Left - 8}\" y=\"{Html.Number(axis.Y(loss) + 4)}\" text-anchor=\"end\">{Html.Number(loss)}</text>\n");
        foreach (var step in Ticks(axis.First, axis.Last, 8).Where(step => step == Math.Floor(step)))
            svg.Append($"<text x=\"{Html.Number(axis.X(step))}\" y=\"{Height - 8}\" text-anchor=\"middle\">{Html.Number(step)}</text>\n");
        svg.Append($"<text x=\"{Left}\" y=\"12\">nats a byte</text><text x=\"{Width - Right}\" y=\"{Height - Bottom - 6}\" text-anchor=\"end\">step</text>\n");
    }

    private static void Key(StringBuilder svg, List<(long Step, double Loss)> validation)
    {
        svg.Append($"<rect class=\"key-train\" x=\"{Width - 250}\" y=\"4\" width=\"12\" height=\"8\"/><text x=\"{Width - 232}\" y=\"12\">training</text>\n");
        if (validation.Count > 0)
            svg.Append($"<rect class=\"key-valid\" x=\"{Width - 160}\" y=\"4\" width=\"12\" height=\"8\"/><text x=\"{Width - 142}\" y=\"12\">validation {Output.Units.Loss(validation[^1].Loss)}</text>\n");
    }

    private static string Points(List<(long Step, double Loss)> points, Axis axis) =>
        string.Join(' ', points.Select(point => $"{Html.Number(axis.X(point.Step))},{Html.Number(axis.Y(Math.Min(point.Loss, axis.High)))}"));

    /// <summary>Round numbers within a range: 1, 2 or 5 times a power of ten apart.</summary>
    private static IEnumerable<double> Ticks(double low, double high, int about)
    {
        if (!(high > low))
            return [low];
        var power = Math.Pow(10, Math.Floor(Math.Log10((high - low) / about)));
        var step = power * ((high - low) / about / power) switch { >= 5 => 10, >= 2 => 5, >= 1 => 2, _ => 1 };
        var first = (long)Math.Ceiling(low / step);
        return Enumerable.Range(0, (int)Math.Floor(high / step) - (int)first + 1).Select(i => (first + i) * step);
    }

    private sealed record Axis(double First, double Last, double Low, double High)
    {
        public double X(double step) => Left + (Last > First ? (step - First) / (Last - First) : 0.5) * (Width - Left - Right);

        public double Y(double loss) => Height - Bottom - (High > Low ? (loss - Low) / (High - Low) : 0.5) * (Height - Top - Bottom);
    }
}
