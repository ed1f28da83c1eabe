using System.Buffers.Binary;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using ModGen.Compiler;
using ModGen.Compiler.Spec;
using ModGen.Files;

namespace ModGen.Oracle.Tests;

/// <summary>A file of tensors that another program made.</summary>
internal sealed class Fixture : IDisposable
{
    private readonly SafetensorsFile _file;

    private Fixture(string path) => _file = SafetensorsFile.Open(path);

    /// <summary>Where fixtures lie.</summary>
    public static string Folder { get; } =
        typeof(Fixture).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Fixtures").Value!;

    /// <summary>Opens a fixture; skips the test when it has not been made.</summary>
    public static Fixture Open(string name, string script)
    {
        var path = Path.Combine(Folder, name);
        Assert.SkipUnless(File.Exists(path), $"{path} is missing; tests/fixtures/{script} makes it where there is PyTorch.");
        return new Fixture(path);
    }

    public IEnumerable<string> Names => _file.Tensors.Keys;

    public double[] this[string name]
    {
        get
        {
            var tensor = _file.Tensors[name];
            var values = new float[tensor.Length];
            _file.Read(tensor, 0, values);
            return Array.ConvertAll(values, v => (double)v);
        }
    }

    public int[] Integers(string name) => Array.ConvertAll(this[name], v => (int)v);

    /// <summary>The model that the fixture says it is of.</summary>
    public ModelSpec Spec(string name)
    {
        using var json = JsonDocument.Parse(_file.Metadata["spec"]);
        var root = json.RootElement;
        return new ModelSpec(
            new TypeIdentity("Fixtures", "Of_" + name, "public"),
            Number("vocabulary"), Number("width"), Number("heads"), Number("keyValueHeads"), Number("headWidth"), Number("feedForward"), Number("context"),
            root.GetProperty("tiedHead").GetBoolean(), root.GetProperty("rotaryBase").GetDouble(), root.GetProperty("normEpsilon").GetDouble(),
            root.GetProperty("layers").EnumerateArray().Select(Block).ToEquatableArray());

        int Number(string property) => root.GetProperty(property).GetInt32();
    }

    private static BlockSpec Block(JsonElement routing) => routing.ValueKind == JsonValueKind.Null
        ? BlockSpec.Dense
        : TestSpec.Routed(
            routing.GetProperty("tokens").GetInt32(),
            Enum.Parse<GateKind>(routing.GetProperty("gate").GetString()!, ignoreCase: true),
            routing.GetProperty("auxiliaryWeight").GetDouble(),
            routing.GetProperty("predictorWidth").GetInt32());

    /// <summary>Writes float32 tensors for another program to read.</summary>
    public static void Write(string path, params (string Name, int[] Shape, float[] Values)[] tensors)
    {
        var offset = 0;
        var header = new Dictionary<string, object>();
        foreach (var (name, shape, values) in tensors)
        {
            header[name] = new { dtype = "F32", shape, data_offsets = (int[])[offset, offset + values.Length * sizeof(float)] };
            offset += values.Length * sizeof(float);
        }

        var text = JsonSerializer.SerializeToUtf8Bytes(header);
        using var file = File.Create(path);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        file.Write(length);
        file.Write(text);
        foreach (var (_, _, values) in tensors)
            file.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    public void Dispose() => _file.Dispose();
}
