using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ModGen.Files;

/// <summary>Copies the elements from <paramref name="start"/> on of a tensor to be written.</summary>
internal delegate void TensorReader(long start, Span<float> values);

/// <summary>A float32 tensor to be written.</summary>
internal sealed record TensorToWrite(string Name, IReadOnlyList<int> Shape, long Length, TensorReader Read);

/// <summary>Writes float32 safetensors files in one pass.</summary>
internal static class SafetensorsWriter
{
    private const int PieceLength = 1 << 18;

    public static FileRecord Write(string path, IReadOnlyList<TensorToWrite> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var file = new HashedFile(path);
        var header = Header(tensors, metadata);
        Span<byte> prefix = stackalloc byte[SafetensorsFile.PrefixBytes];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        file.Write(prefix);
        file.Write(header);
        var piece = new float[PieceLength];
        foreach (var tensor in tensors)
        {
            for (long start = 0; start < tensor.Length; start += PieceLength)
            {
                var values = piece.AsSpan(0, (int)Math.Min(PieceLength, tensor.Length - start));
                tensor.Read(start, values);
                file.Write(MemoryMarshal.AsBytes(values));
            }
        }

        return file.Finish();
    }

    /// <summary>The JSON, padded with spaces so that the data begins at a multiple of eight.</summary>
    private static byte[] Header(IReadOnlyList<TensorToWrite> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in metadata)
                json.WriteString(key, value);
            json.WriteEndObject();
            long offset = 0;
            foreach (var tensor in tensors)
                offset = WriteEntry(json, tensor, offset);
            json.WriteEndObject();
        }

        var padded = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        buffer.WrittenSpan.CopyTo(padded);
        padded.AsSpan(buffer.WrittenCount).Fill((byte)' ');
        return padded;
    }

    private static long WriteEntry(Utf8JsonWriter json, TensorToWrite tensor, long offset)
    {
        var end = offset + tensor.Length * sizeof(float);
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", "F32");
        json.WriteStartArray("shape");
        foreach (var extent in tensor.Shape)
            json.WriteNumberValue(extent);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
        return end;
    }
}
