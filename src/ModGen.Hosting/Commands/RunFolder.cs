using ModGen.Hosting.Output;

namespace ModGen.Hosting.Commands;

/// <summary>Keeps a new run from mixing with the checkpoints of an older one.</summary>
internal static class RunFolder
{
    private const string PreviousSuffix = ".previous";

    /// <summary>Refuses a folder that holds checkpoints, unless the run is to begin <paramref name="fresh"/>.</summary>
    public static void Check(string root, bool fresh)
    {
        if (File.Exists(root))
            throw new AppException($"--checkpoint {root} is a file; name a folder.", ExitCode.Usage);
        if (!fresh && Newest(root) is { } newest)
            throw new AppException($"{root} holds checkpoints already, up to {Path.GetFileName(newest)}; give --resume to go on, --fresh to begin anew, or another folder with --checkpoint.", ExitCode.Usage);
    }

    /// <summary>Moves the checkpoints of an earlier run aside, in place of those moved before.</summary>
    public static void MoveAside(string root, VerbOutput output)
    {
        if (Newest(root) is null)
            return;
        var previous = Path.TrimEndingDirectorySeparator(root) + PreviousSuffix;
        if (Directory.Exists(previous))
            Directory.Delete(previous, recursive: true);
        Directory.Move(Path.TrimEndingDirectorySeparator(root), previous);
        output.Note($"Moved the checkpoints of an earlier run to {previous}.");
    }

    private static string? Newest(string root) =>
        Directory.Exists(root) ? Directory.GetDirectories(root, "step-*").Order(StringComparer.Ordinal).LastOrDefault() : null;
}
