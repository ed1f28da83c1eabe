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

    /// <summary>The folder of the newest good checkpoint; newer damaged ones are named in warnings.</summary>
    public static string Find(string root, VerbOutput output)
    {
        if (File.Exists(Path.Combine(root, StateName)))
            return root;
        var search = Checkpoint.FindLatest(root);
        foreach (var skipped in search.Skipped)
            output.Warn($"passed over a damaged checkpoint: {skipped.Reason}");
        return search.Latest?.Folder
            ?? throw new AppException($"{root} holds no {(search.Skipped.Count > 0 ? "undamaged " : "")}checkpoint; run train first, or name a run's folder with --checkpoint.");
    }
}
