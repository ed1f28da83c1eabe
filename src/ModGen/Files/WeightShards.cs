using System.Text.Json;

namespace ModGen.Files;

/// <summary>The safetensors files that together hold a model's weights.</summary>
internal sealed class WeightShards : IDisposable
{
    private const int MostNamed = 5;
    private const string HeadName = "lm_head.weight";
    private const string EmbeddingName = "model.embed_tokens.weight";
    private readonly string _path;
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, (SafetensorsFile File, SafetensorsTensor Tensor)> _tensors = new(StringComparer.Ordinal);

    private WeightShards(string path) => _path = path;

    public static WeightShards Open(string path)
    {
        if (Directory.Exists(path))
        {
            var (single, index) = (Path.Combine(path, WeightsFile.ModelName), Path.Combine(path, WeightsFile.IndexName));
            path = File.Exists(single) ? single : File.Exists(index) ? index
                : throw new WeightsException($"{path}: holds neither {WeightsFile.ModelName} nor {WeightsFile.IndexName}.");
        }
        else if (!File.Exists(path))
        {
            throw new WeightsException($"{path}: there is no such file or folder.");
        }

        var shards = new WeightShards(path);
        try
        {
            foreach (var file in path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? ShardPaths(path) : [path])
                shards.Add(SafetensorsFile.Open(file));
            return shards;
        }
        catch
        {
            shards.Dispose();
            throw;
        }
    }

    /// <summary>Finds the tensor of every parameter, or says which do not fit.</summary>
    public List<(Parameter Parameter, SafetensorsFile File, SafetensorsTensor Tensor)> Match(IReadOnlyList<Parameter> parameters, ModelDescription model)
    {
        var plan = new List<(Parameter, SafetensorsFile, SafetensorsTensor)>();
        List<string> missing = [], misshaped = [];
        foreach (var parameter in parameters)
        {
            if (!_tensors.TryGetValue(parameter.Name, out var found))
                missing.Add(parameter.Name);
            else if (!found.Tensor.Shape.SequenceEqual(parameter.Shape.Select(extent => (long)extent)))
                misshaped.Add($"{parameter.Name} is {found.Tensor.ShapeText}, expected ({string.Join(", ", parameter.Shape)})");
            else
                plan.Add((parameter, found.File, found.Tensor));
        }

        var known = parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        var extra = _tensors.Keys.Where(name => !known.Contains(name) && !MayBeExtra(name, model)).Order(StringComparer.Ordinal).ToList();
        if (missing.Count + misshaped.Count + extra.Count > 0)
            throw new WeightsException($"{_path}: the weights are not those of {model.Name}: {Join([("missing", missing), ("of another shape", misshaped), ("unknown", extra)])}.");
        return plan;
    }

    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    private void Add(SafetensorsFile file)
    {
        _files.Add(file);
        foreach (var (name, tensor) in file.Tensors)
            if (!_tensors.TryAdd(name, (file, tensor)))
                throw new WeightsException($"{file.Path}: tensor {name} is in another shard already.");
    }

    /// <summary>Old exports carry the rotary frequencies; tied ones may carry the head again, which then must be the embedding.</summary>
    private bool MayBeExtra(string name, ModelDescription model)
    {
        if (name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal))
            return true;
        return name == HeadName && model.TiedHead && _tensors.TryGetValue(EmbeddingName, out var embedding) && Equal(_tensors[name], embedding);
    }

    private static bool Equal((SafetensorsFile File, SafetensorsTensor Tensor) a, (SafetensorsFile File, SafetensorsTensor Tensor) b)
    {
        const int Piece = 1 << 16;
        if (a.Tensor.Length != b.Tensor.Length)
            return false;
        var (left, right) = (new float[Piece], new float[Piece]);
        for (long start = 0; start < a.Tensor.Length; start += Piece)
        {
            var count = (int)Math.Min(Piece, a.Tensor.Length - start);
            a.File.Read(a.Tensor, start, left.AsSpan(0, count));
            b.File.Read(b.Tensor, start, right.AsSpan(0, count));
            if (!left.AsSpan(0, count).SequenceEqual(right.AsSpan(0, count)))
                return false;
        }

        return true;
    }

    private static string Join(IEnumerable<(string Kind, List<string> Names)> kinds) =>
        string.Join("; ", kinds.Where(kind => kind.Names.Count > 0).Select(kind =>
            $"{kind.Kind}: {string.Join(", ", kind.Names.Take(MostNamed))}{(kind.Names.Count > MostNamed ? $" and {kind.Names.Count - MostNamed} more" : "")}"));

    /// <summary>The shards that an index names, each once. They lie beside it: a name with a path in it is refused.</summary>
    private static List<string> ShardPaths(string index)
    {
        var names = new List<string>();
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(index));
            foreach (var entry in json.RootElement.GetProperty("weight_map").EnumerateObject())
            {
                var name = entry.Value.GetString() ?? "";
                if (name.Length == 0 || Path.GetFileName(name) != name)
                    throw new WeightsException($"{index}: tensor {entry.Name} is said to be in '{name}'; expected the name of a file beside the index.");
                if (!names.Contains(name))
                    names.Add(name);
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new WeightsException($"{index}: is not an index of shards: expected an object with a weight_map from tensor names to file names.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WeightsException($"{index}: cannot be read: {Errors.OneLine(e)}", e);
        }

        return [.. names.Select(name => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(index))!, name))];
    }
}
