namespace ModGen;

/// <summary>Wording of other people's exceptions inside ours.</summary>
internal static class Errors
{
    /// <summary>The first line of the message, without a closing full stop doubled by ours.</summary>
    public static string OneLine(Exception e) => e.Message.AsSpan().Trim().ToString().Split('\n', 2)[0].TrimEnd('\r', '.') + ".";
}
