using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using ModGen.Files;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Files;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Reads_what_it_writes()
    {
        float[] a = [1, 2, 3, 4, 5, 6], b = [.. Enumerable.Range(0, 300_000).Select(i => i * 0.5f)];
        var record = SafetensorsWriter.Write(_folder["x"], [Tensor("a", [2, 3], a), Tensor("b/“ü”", [300_000], b), Tensor("scalar", [], [7]), Tensor("none", [0, 4], [])], new Dictionary<string, string> { ["k"] = "v" });
        Assert.Equal(HashedFile.Measure(_folder["x"]), record);
        using var file = SafetensorsFile.Open(_folder["x"]);
        Assert.Equal("v", file.Metadata["k"]);
        Assert.Equal(4, file.Tensors.Count);
        Assert.Equal([2, 3], file.Tensors["a"].Shape);
        Assert.Equal(a, ReadAll(file, "a"));
        Assert.Equal(b, ReadAll(file, "b/“ü”"));
        Assert.Equal([7f], ReadAll(file, "scalar"));
        Assert.Equal(0, file.Tensors["none"].Length);
        var part = new float[2];
        file.Read(file.Tensors["a"], 3, part);
        Assert.Equal([4f, 5f], part);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(file.Tensors["a"], 5, new float[2]));
        Assert.Equal(0, file.Tensors["a"].Offset % 8);
    }

    [Fact]
    public void Widens_half_and_bfloat16()
    {
        Half[] halves = [(Half)1.5f, (Half)(-0.25f), Half.PositiveInfinity, Half.Epsilon];
        ushort[] brains = [0x3FC0, 0xBE80, 0x7F80, 0x0001];
        using var file = SafetensorsFile.Open(Make(
            """{"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]}}""",
            [.. MemoryMarshal.AsBytes<Half>(halves), .. MemoryMarshal.AsBytes<ushort>(brains)]));
        Assert.Equal([1.5f, -0.25f, float.PositiveInfinity, (float)Half.Epsilon], ReadAll(file, "h"));
        Assert.Equal([1.5f, -0.25f, float.PositiveInfinity, BitConverter.UInt32BitsToSingle(0x10000)], ReadAll(file, "b"));
    }

    [Theory]
    [InlineData("", "is not the JSON")]
    [InlineData("{", "is not the JSON")]
    [InlineData("[]", "expected the header's object")]
    [InlineData("{} x", "is not the JSON")]
    [InlineData("""{"a":1}""", "expected the object of tensor a")]
    [InlineData("""{"a":{}}""", "needs a dtype, a shape and two data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}}""", "unexpected or repeated property extra")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "unexpected or repeated property dtype")]
    [InlineData("""{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}""", "dtype I64; expected F32, F16 or BF16")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "whole numbers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "whole numbers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "takes 8 bytes; expected 12 for F32 (3)")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "lies at 8 to 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "lies at 0 to 16; expected within the 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,8]}}""", "larger than any file")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "end at offset")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "has a hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "second time")]
    [InlineData("""{"__metadata__":{"a":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "a string as metadata")]
    public void A_bad_header_is_named_with_its_place(string header, string what)
    {
        var path = Make(header, new byte[8]);
        var error = Assert.Throws<WeightsException>(() => SafetensorsFile.Open(path));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
        Assert.Contains("offset", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Absurd_lengths_are_refused()
    {
        Assert.Contains("is no", Assert.Throws<WeightsException>(() => SafetensorsFile.Open(_folder.Write("short", "abc"))).Message.Replace("are no", "is no", StringComparison.Ordinal), StringComparison.Ordinal);
        foreach (var length in (ulong[])[9, 1_000_000, 100_000_001, long.MaxValue, ulong.MaxValue])
        {
            var bytes = new byte[16];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
            var error = Assert.Throws<WeightsException>(() => SafetensorsFile.Open(_folder.Write("long", bytes)));
            Assert.Contains($"header of {length} bytes", error.Message, StringComparison.Ordinal);
        }

        Assert.Throws<WeightsException>(() => SafetensorsFile.Open(_folder["missing"]));
        Assert.Throws<WeightsException>(() => SafetensorsFile.Open(_folder.Path));
    }

    [Fact]
    public void No_damage_brings_anything_but_a_clear_error()
    {
        SafetensorsWriter.Write(_folder["good"], [Tensor("model.a", [4, 2], new float[8]), Tensor("model.b", [3], new float[3])], new Dictionary<string, string> { ["format"] = "pt" });
        var good = File.ReadAllBytes(_folder["good"]);
        var random = new Random(1);
        var refused = 0;
        for (var round = 0; round < 4000; round++)
        {
            var bytes = Damage.Apply(good, random, header: good.Length - 44);
            var path = _folder.Write("bad", bytes);
            try
            {
                using var file = SafetensorsFile.Open(path);
                foreach (var tensor in file.Tensors.Values)
                    file.Read(tensor, 0, new float[tensor.Length]);
            }
            catch (WeightsException e)
            {
                refused++;
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            }
        }

        Assert.True(refused > 1500, $"{refused}");
    }

    private static TensorToWrite Tensor(string name, int[] shape, float[] values) =>
        new(name, shape, values.Length, (start, target) => values.AsSpan((int)start, target.Length).CopyTo(target));

    private static float[] ReadAll(SafetensorsFile file, string name)
    {
        var values = new float[file.Tensors[name].Length];
        values.AsSpan().Fill(float.NaN);
        file.Read(file.Tensors[name], 0, values);
        return values;
    }

    private string Make(string header, ReadOnlySpan<byte> data)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, json.Length);
        return _folder.Write("made", [.. prefix, .. json, .. data]);
    }
}
