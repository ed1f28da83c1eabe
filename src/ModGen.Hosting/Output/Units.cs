using System.Globalization;

namespace ModGen.Hosting.Output;

/// <summary>Quantities as people read them; invariant culture throughout.</summary>
internal static class Units
{
    private static readonly string[] Prefixes = ["", "k", "M", "G", "T", "P"];

    /// <summary>Three significant digits and a decimal prefix: 12.3 k.</summary>
    public static string Count(double value) => Scale(value, 1000, Prefixes, " ");

    /// <summary>Operations a second: 161 GFLOP/s.</summary>
    public static string FlopRate(double value) => Scale(value, 1000, Prefixes, " ", always: true) + "FLOP/s";

    /// <summary>Operations: 5.92 MFLOP.</summary>
    public static string Flops(double value) => Scale(value, 1000, Prefixes, " ", always: true) + "FLOP";

    /// <summary>Bytes with a binary prefix: 1.50 MiB.</summary>
    public static string Bytes(double value) => Scale(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"], " ");

    /// <summary>1:02 or 1:02:03.</summary>
    public static string Duration(TimeSpan value) => value.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(long)value.TotalHours}:{value.Minutes:D2}:{value.Seconds:D2}")
        : string.Create(CultureInfo.InvariantCulture, $"{value.Minutes}:{value.Seconds:D2}");

    /// <summary>A share as a percentage with one decimal.</summary>
    public static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F1} %");

    /// <summary>A loss in nats.</summary>
    public static string Loss(double nats) => nats.ToString("F4", CultureInfo.InvariantCulture);

    /// <summary>A whole number with its thousands set apart by commas.</summary>
    public static string Grouped(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>One of something, or several: 1 layer, 2 layers.</summary>
    public static string Plural(long count, string noun) => $"{Grouped(count)} {noun}{(count == 1 ? "" : "s")}";

    private static string Scale(double value, double step, string[] prefixes, string gap, bool always = false)
    {
        var index = 0;
        while (Math.Abs(value) >= 0.9995 * step && index + 1 < prefixes.Length)
        {
            value /= step;
            index++;
        }

        var digits = Math.Abs(value) switch { >= 99.95 => "F0", >= 9.995 => "F1", _ => "F2" };
        var number = value.ToString(index == 0 && value == Math.Floor(value) ? "F0" : digits, CultureInfo.InvariantCulture);
        return prefixes[index].Length == 0 && !always ? number : number + gap + prefixes[index];
    }
}
