using System.Globalization;

namespace ModGen.Compiler.Emit;

/// <summary>Numbers and names as source text, whatever the culture.</summary>
internal static class Literal
{
    public static string Of(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A double that reads back as the same double.</summary>
    public static string Double(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return text.IndexOfAny(['.', 'E']) < 0 ? text + ".0" : text;
    }

    /// <summary>A float literal.</summary>
    public static string Float(double value) => ((float)value).ToString("R", CultureInfo.InvariantCulture).Replace("E", "e") + "f";

    /// <summary>A C# string literal. Names of types and tensors hold no character that needs more than this.</summary>
    public static string String(string value) => "\"" + value.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\"";

    /// <summary>A whole number as people read it: 6,317,056.</summary>
    public static string Grouped(double value) => value.ToString("#,##0", CultureInfo.InvariantCulture);
}
