using Spectre.Console;

namespace ModGen.Hosting.Output;

/// <summary>Colours for depths, from none of the routed blocks to all of them: grey, then from blue over green to yellow.</summary>
internal static class DepthScale
{
    // Readable on dark and on light grounds alike, and told apart by lightness too.
    private static readonly (byte Red, byte Green, byte Blue)[] Stops = [(92, 122, 204), (36, 160, 170), (70, 176, 92), (214, 160, 30), (226, 96, 44)];

    public static Color Terminal(int depth, int most)
    {
        if (depth == 0)
            return Color.Grey;
        var (red, green, blue) = At(depth, most);
        return new Color(red, green, blue);
    }

    /// <summary>A colour for style sheets.</summary>
    public static string Css(int depth, int most)
    {
        var (red, green, blue) = At(Math.Max(depth, 1), most);
        return $"#{red:x2}{green:x2}{blue:x2}";
    }

    private static (byte Red, byte Green, byte Blue) At(int depth, int most)
    {
        var place = most <= 1 ? Stops.Length - 1 : (double)(depth - 1) / (most - 1) * (Stops.Length - 1);
        var index = Math.Min((int)place, Stops.Length - 2);
        var (low, high, share) = (Stops[index], Stops[index + 1], place - index);
        return (Mix(low.Red, high.Red), Mix(low.Green, high.Green), Mix(low.Blue, high.Blue));

        byte Mix(byte a, byte b) => (byte)Math.Round(a + (b - a) * share);
    }
}
