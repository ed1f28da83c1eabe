using ModGen.Programs;

namespace ModGen.Files;

/// <summary>Reads checkpoints: everything is verified before the first value of a model is touched.</summary>
internal static class CheckpointReader
{
    private const int PieceLength = 1 << 18;
    private static readonly string[] Required = [WeightsFile.ModelName, WeightsFile.ConfigName, Checkpoint.OptimizerName];

    public static CheckpointState Verify(string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder}: there is no such checkpoint.");
        var state = CheckpointState.Read(folder);
        foreach (var name in Required)
            if (!state.Files.Any(file => file.Name == name))
                throw new CheckpointException($"{Path.Combine(folder, Checkpoint.StateName)}: does not list {name}.");
        foreach (var expected in state.Files)
            VerifyFile(folder, expected);
        return state;
    }

    public static CheckpointInfo LoadWeights(DecoderModel model, string folder)
    {
        var info = VerifyFor(model, folder);
        Translate(folder, () => WeightsFile.Load(model, folder));
        return info;
    }

    public static CheckpointInfo Load<TModel>(Trainer<TModel> trainer, string folder)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var info = VerifyFor(trainer.Model, folder);
        Translate(folder, () =>
        {
            using var moments = SafetensorsFile.Open(Path.Combine(folder, Checkpoint.OptimizerName));
            CheckMoments(trainer.Model.Parameters, moments);
            WeightsFile.Load(trainer.Model, folder);
            ReadMoments(trainer.Model.Parameters, trainer.Program, moments);
        });
        trainer.Program.ClearGradients();
        trainer.Steps = info.Step;
        trainer.Seed = info.Seed;
        trainer.DataPosition = info.DataPosition;
        return info;
    }

    private static CheckpointInfo VerifyFor(DecoderModel model, string folder)
    {
        var info = Verify(folder).Info;
        var description = model.Description;
        if (info.Fingerprint == description.Fingerprint)
            return info;
        // The configuration says it in words where it can; what it does not hold still makes another fingerprint.
        Translate(folder, () => LlamaConfig.Check(Path.Combine(folder, WeightsFile.ConfigName), description));
        throw new CheckpointException(
            $"{folder}: is a checkpoint of {info.Model} with fingerprint {info.Fingerprint}; {description.Name} has {description.Fingerprint}: the declaration has changed since.");
    }

    private static void VerifyFile(string folder, FileRecord expected)
    {
        var path = Path.Combine(folder, expected.Name);
        if (Path.GetFileName(expected.Name) != expected.Name || !File.Exists(path))
            throw new CheckpointException($"{path}: is missing from the checkpoint.");
        try
        {
            var length = new FileInfo(path).Length;
            if (length != expected.Length)
                throw new CheckpointException($"{path}: has {length} bytes; expected {expected.Length}: the file is {(length < expected.Length ? "cut off" : "too long")}.");
            if (HashedFile.Measure(path) != expected)
                throw new CheckpointException($"{path}: its bytes do not have the SHA-256 they were written with, {expected.Sha256}; the file is damaged.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {Errors.OneLine(e)}", e);
        }
    }

    private static void CheckMoments(ParameterTable parameters, SafetensorsFile file)
    {
        foreach (var (prefix, _) in Moments.All)
            foreach (var parameter in parameters.Parameters)
                if (!file.Tensors.TryGetValue(prefix + parameter.Name, out var tensor) || tensor.Length != parameter.Length || tensor.Type != TensorType.F32)
                    throw new WeightsException($"{file.Path}: holds no {prefix}{parameter.Name} of {parameter.Length} float32 values.");
    }

    private static void ReadMoments(ParameterTable parameters, TrainingProgram program, SafetensorsFile file)
    {
        var piece = new float[PieceLength];
        foreach (var (prefix, state) in Moments.All)
        {
            foreach (var parameter in parameters.Parameters)
            {
                for (var start = 0; start < parameter.Length; start += PieceLength)
                {
                    var values = piece.AsSpan(0, Math.Min(PieceLength, parameter.Length - start));
                    file.Read(file.Tensors[prefix + parameter.Name], start, values);
                    program.Write(state, parameter.Offset + start, values);
                }
            }
        }
    }

    private static void Translate(string folder, Action read)
    {
        try
        {
            read();
        }
        catch (WeightsException e)
        {
            throw new CheckpointException($"{folder}: {e.Message}", e);
        }
    }
}
