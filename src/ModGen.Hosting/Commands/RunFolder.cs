using ModGen.Hosting.Output;

namespace ModGen.Hosting.Commands;

/// <summary>Keeps a new run from mixing with the checkpoints of an older one.</summary>
internal static class RunFolder
{
    private const string PreviousSuffix = ".previous";

    /// <summary>Makes <paramref name="root"/> ready for a new run. Checkpoints in it are an error, or are moved aside.</summary>
    public static void Prepare(string root, bool fresh, VerbOutput output)
    {
        if (File.Exists(root))
            throw new AppException($"--checkpoint {root} is a file; name a folder.", ExitCode.Usage);
        if (!Directory.Exists(root))
            return;
        var newest = Directory.GetDirectories(root, "step-*").Order(StringComparer.Ordinal).LastOrDefault();
        if (newest is null)
            return;
        if (!fresh)
            throw new AppException($"{root} holds checkpoints already, up to {Path.GetFileName(newest)}; give --resume to go on, --fresh to begin anew, or another folder with --checkpoint.", ExitCode.Usage);
        var previous = Path.TrimEndingDirectorySeparator(root) + PreviousSuffix;
        if (Directory.Exists(previous))
            Directory.Delete(previous, recursive: true);
        Directory.Move(Path.TrimEndingDirectorySeparator(root), previous);
        output.Note($"Moved the checkpoints of an earlier run to {previous}.");
    }
}
