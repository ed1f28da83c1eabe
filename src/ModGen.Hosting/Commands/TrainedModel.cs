using ModGen.Hosting.Output;

namespace ModGen.Hosting.Commands;

/// <summary>Loads the weights of a run's newest checkpoint.</summary>
internal static class TrainedModel
{
    private const string StateName = "state.json";

    /// <summary>Creates the model and fills it from the newest good checkpoint below <paramref name="root"/>, or from <paramref name="root"/> itself when it is one.</summary>
    public static (TModel Model, CheckpointInfo Checkpoint) Load<TModel>(Device device, string root, VerbOutput output)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var folder = Find(root, output);
        var model = TModel.Create(device);
        try
        {
            var checkpoint = Checkpoint.LoadWeights(model, folder);
            output.Note($"Weights: step {Units.Grouped(checkpoint.Step)} from {checkpoint.Folder}.");
            return (model, checkpoint);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Whether a folder is one checkpoint, and not a run's folder of them.</summary>
    public static bool IsCheckpoint(string folder) => File.Exists(Path.Combine(folder, StateName));

    /// <summary>The run's folder: that around <paramref name="root"/> when it is a checkpoint.</summary>
    public static string RunOf(string root) => IsCheckpoint(root) && Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(root))) is { } run ? run : root;

    /// <summary>The folder of the newest good checkpoint; newer damaged ones are named in warnings.</summary>
    /// <exception cref="AppException">There is none.</exception>
    public static string Find(string root, VerbOutput output) => Search(root, output, out var damaged)
        ?? throw new AppException($"{root} holds no {(damaged ? "undamaged " : "")}checkpoint; run train first, or name a run's folder with --checkpoint.");

    /// <summary>The same; null for none.</summary>
    public static string? FindAny(string root, VerbOutput output) => Search(root, output, out _);

    private static string? Search(string root, VerbOutput output, out bool damaged)
    {
        damaged = false;
        if (IsCheckpoint(root))
            return root;
        var search = Checkpoint.FindLatest(root);
        foreach (var skipped in search.Skipped)
            output.Warn($"passed over a damaged checkpoint: {skipped.Reason}");
        damaged = search.Skipped.Count > 0;
        return search.Latest?.Folder;
    }
}
