using System.Globalization;
using ModGen.Files;

namespace ModGen;

/// <summary>
/// Checkpoints on the disk. Each is a folder <c>step-0000000100</c> with the weights, the optimizer's moments and the
/// state of the run, every file with its length and SHA-256; it appears whole or not at all.
/// </summary>
public static class Checkpoint
{
    internal const string OptimizerName = "optimizer.safetensors";
    internal const string StateName = "state.json";
    internal const string Prefix = "step-";
    internal const string TemporaryPrefix = ".saving-";

    /// <summary>The newest checkpoint below <paramref name="root"/> whose every byte is as it was written.</summary>
    /// <param name="root">Folder of a run's checkpoints; it may be missing.</param>
    public static CheckpointSearch FindLatest(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        var skipped = new List<SkippedCheckpoint>();
        foreach (var folder in NewestFirst(root))
        {
            try
            {
                return new CheckpointSearch(Inspect(folder), skipped);
            }
            catch (CheckpointException e)
            {
                skipped.Add(new SkippedCheckpoint(folder, e.Message));
            }
        }

        return new CheckpointSearch(null, skipped);
    }

    /// <summary>Reads a checkpoint's state and checks every file of it against its length and hash.</summary>
    /// <exception cref="CheckpointException">It is damaged; the message names the file and what was expected.</exception>
    public static CheckpointInfo Inspect(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return CheckpointReader.Verify(folder).Info;
    }

    /// <summary>Overwrites a model's weights with a checkpoint's, without the state of training.</summary>
    /// <exception cref="CheckpointException">It is damaged or of another declaration; the model is as it was.</exception>
    public static CheckpointInfo LoadWeights(DecoderModel model, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return CheckpointReader.LoadWeights(model, folder);
    }

    /// <summary>Folders that look like checkpoints, by step from the highest.</summary>
    internal static IReadOnlyList<string> NewestFirst(string root)
    {
        if (!Directory.Exists(root))
            return [];
        try
        {
            return [.. Directory.GetDirectories(root, Prefix + "*")
                .Select(folder => (Folder: folder, Order: Order(Path.GetFileName(folder))))
                .Where(entry => entry.Order is not null)
                .OrderByDescending(entry => entry.Order)
                .Select(entry => entry.Folder)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{root}: the folder cannot be read: {Errors.OneLine(e)}", e);
        }
    }

    /// <summary>A name of a step that is free below <paramref name="root"/>: a step saved twice gets a second folder, never a second content.</summary>
    internal static string FreeName(string root, long step)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}");
        for (var again = 1; Directory.Exists(Path.Combine(root, name)); again++)
            name = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}.{again}");
        return name;
    }

    private static (long Step, int Again)? Order(string name)
    {
        var parts = name[Prefix.Length..].Split('.');
        if (!long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var step))
            return null;
        if (parts.Length == 1)
            return (step, 0);
        return parts.Length == 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var again) ? (step, again) : null;
    }
}
