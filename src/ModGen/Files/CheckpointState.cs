using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ModGen.Files;

/// <summary>The <c>state.json</c> of a checkpoint: the state of the run, the other files' records, and a hash over both.</summary>
internal sealed record CheckpointState(CheckpointInfo Info, IReadOnlyList<FileRecord> Files)
{
    private const int Format = 1;
    private const int LongestState = 1 << 20;

    public byte[] Write()
    {
        var state = Json(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("format", Format);
            json.WriteString("model", Info.Model);
            json.WriteString("fingerprint", Info.Fingerprint);
            json.WriteNumber("step", Info.Step);
            json.WriteNumber("seed", Info.Seed);
            json.WriteNumber("data_position", Info.DataPosition);
            json.WriteString("library", Info.LibraryVersion);
            json.WriteStartArray("files");
            foreach (var file in Files)
            {
                json.WriteStartObject();
                json.WriteString("name", file.Name);
                json.WriteNumber("length", file.Length);
                json.WriteString("sha256", file.Sha256);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
        return [.. "{\"state\":"u8, .. state, .. Encoding.ASCII.GetBytes($",\"sha256\":\"{Hash(state)}\"}}\n")];
    }

    public static CheckpointState Read(string folder)
    {
        var path = Path.Combine(folder, Checkpoint.StateName);
        try
        {
            if (new FileInfo(path).Length > LongestState)
                throw new CheckpointException($"{path}: is longer than any state, {LongestState} bytes.");
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var state = json.RootElement.GetProperty("state");
            var hash = Hash(Encoding.UTF8.GetBytes(state.GetRawText()));
            if (json.RootElement.GetProperty("sha256").GetString() != hash)
                throw new CheckpointException($"{path}: its content does not have the hash that it names; the file is damaged.");
            return Parse(folder, path, state);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new CheckpointException($"{path}: is not the state of a checkpoint: {Errors.OneLine(e)}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {Errors.OneLine(e)}", e);
        }
    }

    private static CheckpointState Parse(string folder, string path, JsonElement state)
    {
        var format = state.GetProperty("format").GetInt32();
        if (format != Format)
            throw new CheckpointException($"{path}: has format {format}; this library reads {Format}.");
        var info = new CheckpointInfo(
            folder,
            state.GetProperty("model").GetString()!,
            state.GetProperty("fingerprint").GetString()!,
            state.GetProperty("step").GetInt64(),
            state.GetProperty("seed").GetUInt64(),
            state.GetProperty("data_position").GetInt64(),
            state.GetProperty("library").GetString()!);
        var files = state.GetProperty("files").EnumerateArray().Select(file => new FileRecord(
            file.GetProperty("name").GetString()!, file.GetProperty("length").GetInt64(), file.GetProperty("sha256").GetString()!));
        return new CheckpointState(info, [.. files]);
    }

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        return buffer.WrittenSpan.ToArray();
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
