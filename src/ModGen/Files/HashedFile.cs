using System.Security.Cryptography;

namespace ModGen.Files;

/// <summary>What a checkpoint knows of one of its files.</summary>
/// <param name="Name">Its name in the folder.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Sha256">The SHA-256 of them, in lower-case hexadecimal.</param>
internal sealed record FileRecord(string Name, long Length, string Sha256);

/// <summary>A new file that is hashed while it is written and flushed to the disk when it is finished.</summary>
internal sealed class HashedFile : IDisposable
{
    private const int BufferBytes = 1 << 20;
    private readonly FileStream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public HashedFile(string path)
    {
        _stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, BufferBytes);
        Name = Path.GetFileName(path);
    }

    public string Name { get; }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        _stream.Write(bytes);
    }

    /// <summary>Flushes to the disk and says what was written.</summary>
    public FileRecord Finish()
    {
        _stream.Flush(flushToDisk: true);
        return new FileRecord(Name, _stream.Length, Convert.ToHexStringLower(_hash.GetHashAndReset()));
    }

    public void Dispose()
    {
        // The stream comes last: on a full disk it fails again.
        _hash.Dispose();
        _stream.Dispose();
    }

    /// <summary>Writes a whole small file.</summary>
    public static FileRecord WriteAll(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = new HashedFile(path);
        file.Write(bytes);
        return file.Finish();
    }

    /// <summary>What a file on the disk holds now.</summary>
    public static FileRecord Measure(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        return new FileRecord(Path.GetFileName(path), stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
    }
}
