using System.Diagnostics;
using System.Globalization;
using ModGen.Programs;

namespace ModGen.Files;

/// <summary>Writes checkpoints: all files under a temporary name, flushed, then one rename.</summary>
internal static class CheckpointWriter
{
    public static string Save<TModel>(Trainer<TModel> trainer, string root, int keep)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        var temporary = Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"{Checkpoint.TemporaryPrefix}{trainer.Steps}-{Environment.ProcessId}"));
        try
        {
            Directory.CreateDirectory(root);
            RemoveLeftovers(root);
            Directory.CreateDirectory(temporary);
            WriteFiles(trainer, temporary);
            FileSync.Folder(temporary);
            var folder = Path.Combine(root, Checkpoint.FreeName(root, trainer.Steps));
            Directory.Move(temporary, folder);
            FileSync.Folder(root);
            Prune(root, folder, keep);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Discard(temporary);
            throw new CheckpointException($"{root}: the checkpoint of step {trainer.Steps} cannot be written: {Errors.OneLine(e)} Earlier checkpoints are as they were.", e);
        }
    }

    private static void WriteFiles<TModel>(Trainer<TModel> trainer, string folder)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var model = trainer.Model;
        FileRecord[] files =
        [
            WeightsFile.WriteWeights(model, Path.Combine(folder, WeightsFile.ModelName)),
            HashedFile.WriteAll(Path.Combine(folder, WeightsFile.ConfigName), LlamaConfig.Write(model.Description)),
            WriteMoments(model.Parameters, trainer.Program, Path.Combine(folder, Checkpoint.OptimizerName)),
        ];
        var info = new CheckpointInfo(
            folder, model.Description.Name, model.Description.Fingerprint, trainer.Steps, trainer.Seed, trainer.DataPosition, Library.Version);
        HashedFile.WriteAll(Path.Combine(folder, Checkpoint.StateName), new CheckpointState(info, files).Write());
    }

    private static FileRecord WriteMoments(ParameterTable parameters, TrainingProgram program, string path)
    {
        var tensors = new List<TensorToWrite>();
        foreach (var (prefix, state) in Moments.All)
            foreach (var parameter in parameters.Parameters)
                tensors.Add(new TensorToWrite(prefix + parameter.Name, parameter.Shape, parameter.Length, (start, values) => program.Read(state, parameter.Offset + start, values)));
        return SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["modgen"] = Library.Version });
    }

    /// <summary>Deletes what is older than the newest <paramref name="keep"/> up to the one just written; what lies ahead of it is not this run's to delete.</summary>
    private static void Prune(string root, string written, int keep)
    {
        foreach (var folder in Checkpoint.NewestFirst(root).SkipWhile(folder => folder != written).Skip(keep))
        {
            // Renamed first: a deletion that is cut short must not look like a checkpoint.
            var doomed = Path.Combine(root, $"{Checkpoint.TemporaryPrefix}{Path.GetFileName(folder)}-{Environment.ProcessId}");
            Directory.Move(folder, doomed);
            Directory.Delete(doomed, recursive: true);
        }
    }

    /// <summary>Temporary folders of processes that are no more, and of this one.</summary>
    private static void RemoveLeftovers(string root)
    {
        foreach (var folder in Directory.GetDirectories(root, Checkpoint.TemporaryPrefix + "*"))
        {
            var owner = folder[(folder.LastIndexOf('-') + 1)..];
            if (!int.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id == Environment.ProcessId || !IsRunning(id))
                Directory.Delete(folder, recursive: true);
        }
    }

    private static bool IsRunning(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return !process.HasExited;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }

    private static void Discard(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next save tries again; what matters now is the error that brought us here.
        }
    }
}

/// <summary>The optimizer's moments in a checkpoint: the prefix of their tensors' names.</summary>
internal static class Moments
{
    public static readonly (string Prefix, TrainingState State)[] All =
        [("first_moment.", TrainingState.FirstMoment), ("second_moment.", TrainingState.SecondMoment)];
}
