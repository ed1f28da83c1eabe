using ModGen.Files;

namespace ModGen;

/// <summary>
/// A model's weights as others know them: safetensors with the names of Hugging Face's Llama, and a <c>config.json</c>
/// beside them. A dense model opens in <c>LlamaForCausalLM</c> as it is, and one of theirs loads here.
/// </summary>
public static class WeightsFile
{
    internal const string ModelName = "model.safetensors";
    internal const string IndexName = "model.safetensors.index.json";
    internal const string ConfigName = "config.json";
    private const int PieceLength = 1 << 18;

    /// <summary>Writes <c>model.safetensors</c> and <c>config.json</c> into a folder, which is made when missing. Each file appears whole or not at all.</summary>
    /// <exception cref="WeightsException">The files cannot be written.</exception>
    public static void Save(DecoderModel model, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        try
        {
            Directory.CreateDirectory(folder);
            Replace(folder, ModelName, path => WriteWeights(model, path));
            Replace(folder, ConfigName, path => HashedFile.WriteAll(path, LlamaConfig.Write(model.Description)));
            FileSync.Folder(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightsException($"{folder}: the weights cannot be written: {Errors.OneLine(e)}", e);
        }
    }

    /// <summary>
    /// Overwrites a model's weights with those of a file. All names, shapes and the configuration are checked before
    /// the first value is changed.
    /// </summary>
    /// <param name="model">The model to fill.</param>
    /// <param name="path">A folder with <c>model.safetensors</c> or its sharded index, a safetensors file, or an index.</param>
    /// <exception cref="WeightsException">The files are damaged, or do not belong to this declaration: fields, missing, extra and mis-shaped tensors are named.</exception>
    public static void Load(DecoderModel model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        var folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        var config = Path.Combine(folder, ConfigName);
        if (File.Exists(config))
            LlamaConfig.Check(config, model.Description);
        using var shards = WeightShards.Open(path);
        var plan = shards.Match(model.Parameters.Parameters, model.Description);
        var piece = new float[PieceLength];
        foreach (var (parameter, file, tensor) in plan)
        {
            for (var start = 0; start < parameter.Length; start += PieceLength)
            {
                var values = piece.AsSpan(0, Math.Min(PieceLength, parameter.Length - start));
                file.Read(tensor, start, values);
                model.Weights.Write(parameter.Offset + start, values);
            }
        }
    }

    internal static FileRecord WriteWeights(DecoderModel model, string path)
    {
        var tensors = new List<TensorToWrite>();
        foreach (var parameter in model.Parameters.Parameters)
        {
            tensors.Add(new TensorToWrite(parameter.Name, parameter.Shape, parameter.Length, (start, values) =>
                model.Weights.Read(parameter.Offset + start, values)));
        }

        // transformers asks for the format that the tensors came from.
        return SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt", ["modgen"] = Library.Version });
    }

    private static void Replace(string folder, string name, Action<string> write)
    {
        var temporary = Path.Combine(folder, $".{name}.{Environment.ProcessId}.tmp");
        try
        {
            File.Delete(temporary);
            write(temporary);
            File.Move(temporary, Path.Combine(folder, name), overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
