using System.Globalization;
using System.Net;
using System.Text;

namespace ModGen.Hosting.Reports;

/// <summary>Text and numbers for a page.</summary>
internal static class Html
{
    /// <summary>Escapes markup; characters that XML forbids become their pictures (U+2400 and on).</summary>
    public static string Escape(string text)
    {
        var shown = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value < 0x20 && rune.Value is not ('\n' or '\t'))
                shown.Append((char)(0x2400 + rune.Value));
            else if (rune.Value is 0xFFFE or 0xFFFF)
                shown.Append('\uFFFD');
            else
                shown.Append(rune.ToString());
        }

        return WebUtility.HtmlEncode(shown.ToString());
    }

    /// <summary>A coordinate: two decimals at most.</summary>
    public static string Number(double value) => Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture);
}
