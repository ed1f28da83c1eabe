using System.Text.Json;

namespace ModGen.Files;

/// <summary>The header of a safetensors file, parsed and checked against the file's length.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The limit of the format's own library.</summary>
    public const long LongestHeader = 100_000_000;

    private readonly string _path;
    private readonly Dictionary<string, SafetensorsTensor> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private readonly long _dataStart;
    private readonly long _dataLength;

    private SafetensorsHeader(string path, long dataStart, long dataLength)
    {
        _path = path;
        _dataStart = dataStart;
        _dataLength = dataLength;
    }

    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Parses the JSON and checks names, types, shapes, and that the data is covered without holes or overlap.</summary>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long fileLength)
    {
        var dataStart = SafetensorsFile.PrefixBytes + (long)json.Length;
        var header = new SafetensorsHeader(path, dataStart, fileLength - dataStart);
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
        try
        {
            header.ReadEntries(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw header.Bad(ref reader, $"the header is not the JSON it must be: {Errors.OneLine(e)}", e);
        }

        header.CheckCover();
        return header;
    }

    private void ReadEntries(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, "the header's object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (name == "__metadata__")
                ReadMetadata(ref reader);
            else if (!_tensors.TryAdd(name, ReadTensor(ref reader, name)))
                throw Bad(ref reader, $"tensor {name} stands there for the second time");
        }

        if (reader.TokenType != JsonTokenType.EndObject || reader.Read())
            throw Bad(ref reader, "the header does not end after its object");
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, "an object of metadata");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String, "a string as metadata");
            _metadata[key] = reader.GetString()!;
        }
    }

    private SafetensorsTensor ReadTensor(ref Utf8JsonReader reader, string name)
    {
        TensorType? type = null;
        List<long>? shape = null, offsets = null;
        Expect(ref reader, JsonTokenType.StartObject, $"the object of tensor {name}");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString();
            if (key == "dtype" && type is null)
                type = ReadType(ref reader, name);
            else if (key == "shape" && shape is null)
                shape = ReadNumbers(ref reader, "a shape");
            else if (key == "data_offsets" && offsets is null)
                offsets = ReadNumbers(ref reader, "data offsets");
            else
                throw Bad(ref reader, $"tensor {name} has an unexpected or repeated property {key}");
        }

        if (type is null || shape is null || offsets is not [var begin, var end])
            throw Bad(ref reader, $"tensor {name} needs a dtype, a shape and two data_offsets");
        return MakeTensor(ref reader, name, type.Value, shape, begin, end);
    }

    private SafetensorsTensor MakeTensor(ref Utf8JsonReader reader, string name, TensorType type, List<long> shape, long begin, long end)
    {
        Int128 length = 1;
        foreach (var extent in shape)
        {
            length *= extent;
            if (length > long.MaxValue)
                throw Bad(ref reader, $"tensor {name} of shape ({string.Join(", ", shape)}) is larger than any file");
        }

        if (begin > end || end > _dataLength)
            throw Bad(ref reader, $"tensor {name} lies at {begin} to {end}; expected within the {_dataLength} bytes of data");
        var tensor = new SafetensorsTensor(name, type, shape, _dataStart + begin, (long)length);
        if (length * tensor.ElementBytes != end - begin)
            throw Bad(ref reader, $"tensor {name} takes {end - begin} bytes; expected {length * tensor.ElementBytes} for {type} {tensor.ShapeText}");
        return tensor;
    }

    private TensorType ReadType(ref Utf8JsonReader reader, string name)
    {
        Expect(ref reader, JsonTokenType.String, "a dtype");
        return reader.GetString() switch
        {
            "F32" => TensorType.F32,
            "F16" => TensorType.F16,
            "BF16" => TensorType.BF16,
            var other => throw Bad(ref reader, $"tensor {name} has dtype {other}; expected F32, F16 or BF16"),
        };
    }

    private List<long> ReadNumbers(ref Utf8JsonReader reader, string what)
    {
        var numbers = new List<long>();
        Expect(ref reader, JsonTokenType.StartArray, what);
        while (reader.Read() && reader.TokenType == JsonTokenType.Number)
        {
            if (!reader.TryGetInt64(out var number) || number < 0)
                throw Bad(ref reader, $"{what} must hold whole numbers from 0 on");
            numbers.Add(number);
        }

        return reader.TokenType == JsonTokenType.EndArray ? numbers : throw Bad(ref reader, $"{what} must be a list of numbers");
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType type, string what)
    {
        if (!reader.Read() || reader.TokenType != type)
            throw Bad(ref reader, $"expected {what}");
    }

    /// <summary>The format allows no hole: every byte of data belongs to one tensor.</summary>
    private void CheckCover()
    {
        var end = _dataStart;
        foreach (var tensor in _tensors.Values.OrderBy(t => t.Offset).ThenBy(t => t.Length))
        {
            if (tensor.Offset != end)
            {
                throw new WeightsException(
                    $"{_path}: tensor {tensor.Name} begins at offset {tensor.Offset}; expected {end}, where the one before it ends: the data {(tensor.Offset < end ? "overlaps" : "has a hole")}.");
            }

            end += tensor.Length * tensor.ElementBytes;
        }

        if (end != _dataStart + _dataLength)
            throw new WeightsException($"{_path}: the tensors end at offset {end}; expected {_dataStart + _dataLength}, the end of the file.");
    }

    private WeightsException Bad(ref Utf8JsonReader reader, string what, Exception? inner = null) =>
        new($"{_path}: offset {SafetensorsFile.PrefixBytes + reader.TokenStartIndex}: {what}.", inner);
}
