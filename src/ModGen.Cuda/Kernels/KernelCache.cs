using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ModGen.Cuda;

/// <summary>
/// Compiled kernels on disk, one file a kernel, named by the hash of everything that decides its content. A file appears
/// whole or not at all; one that is damaged is as one that is missing. Any number of processes may share the folder.
/// </summary>
internal sealed class KernelCache
{
    /// <summary>Names the folder.</summary>
    public const string FolderVariable = "MODGEN_CACHE";

    // Header: magic, key, compile time in microseconds, lengths of log and cubin, hash of all that is not the hash.
    private const int KeyAt = 8, TimeAt = 40, LogLengthAt = 48, CubinLengthAt = 52, HashAt = 56, HeaderBytes = 88;
    private const string Extension = ".kernel", TemporaryExtension = ".tmp";
    private static readonly byte[] Magic = "MODGENK1"u8.ToArray();
    private static readonly TimeSpan LeftoverAge = TimeSpan.FromHours(1);
    private readonly string? _folder;
    private string? _problem;

    /// <summary>A cache in a folder, which is made when missing; without one nothing is kept.</summary>
    /// <param name="folder">The folder; null when there is no place for one.</param>
    public KernelCache(string? folder)
    {
        _folder = folder;
        if (folder is null)
        {
            _problem = $"there is no home folder to keep compiled kernels in; set {FolderVariable} to a folder";
            return;
        }

        Try(() =>
        {
            Directory.CreateDirectory(folder);
            RemoveLeftovers(folder);
        });
    }

    /// <summary>Where it is; null when nothing is kept.</summary>
    public string? Folder => _folder;

    /// <summary>Why kernels are not kept; null while they are.</summary>
    public string? Problem => _problem;

    /// <summary>The user's folder for compiled kernels: MODGEN_CACHE, else in the system's own place for caches.</summary>
    public static string? DefaultFolder(bool windows, Func<string, string?> variable)
    {
        if (variable(FolderVariable) is { Length: > 0 } chosen)
            return Path.GetFullPath(chosen);
        var root = windows
            ? variable("LOCALAPPDATA")
            : variable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache : variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".cache") : null;
        return string.IsNullOrEmpty(root) ? null : Path.Combine(root, "modgen", "kernels");
    }

    /// <summary>The key of a compilation.</summary>
    public static byte[] Key(string text, IEnumerable<string> options, Version compiler) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"{compiler}\n{string.Join('\n', options)}\n\n{text}"));

    /// <summary>The file of a key.</summary>
    public string? PathOf(byte[] key) => _folder is null ? null : Path.Combine(_folder, Convert.ToHexStringLower(key) + Extension);

    /// <summary>The kernel of a key; null when there is none or its file is damaged.</summary>
    public CompiledKernel? Read(byte[] key)
    {
        if (PathOf(key) is not { } path)
            return null;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return Parse(bytes, key);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Missing, or not to be read: it is compiled, and writing says what is wrong with the folder.
            return null;
        }
    }

    /// <summary>Keeps a kernel. A folder that cannot be written sets <see cref="Problem"/> and is no error.</summary>
    public void Write(byte[] key, CompiledKernel kernel)
    {
        if (PathOf(key) is not { } path)
            return;
        var temporary = $"{path}.{Environment.ProcessId}-{Guid.NewGuid():N}{TemporaryExtension}";
        Try(() =>
        {
            try
            {
                using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
                {
                    file.Write(Format(key, kernel));
                    file.Flush(flushToDisk: true);
                }

                Replace(temporary, path);
            }
            finally
            {
                File.Delete(temporary);
            }
        });
    }

    private static byte[] Format(byte[] key, CompiledKernel kernel)
    {
        var log = Encoding.UTF8.GetBytes(kernel.Log);
        var bytes = new byte[HeaderBytes + log.Length + kernel.Cubin.Length];
        Magic.CopyTo(bytes, 0);
        key.CopyTo(bytes, KeyAt);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(TimeAt), (long)(kernel.Milliseconds * 1000));
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(LogLengthAt), log.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(CubinLengthAt), kernel.Cubin.Length);
        log.CopyTo(bytes, HeaderBytes);
        kernel.Cubin.CopyTo(bytes, HeaderBytes + log.Length);
        HashOf(bytes).CopyTo(bytes, HashAt);
        return bytes;
    }

    private static CompiledKernel? Parse(byte[] bytes, byte[] key)
    {
        if (bytes.Length < HeaderBytes || !bytes.AsSpan(0, KeyAt).SequenceEqual(Magic) || !bytes.AsSpan(KeyAt, key.Length).SequenceEqual(key))
            return null;
        var log = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(LogLengthAt));
        var cubin = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(CubinLengthAt));
        if (log < 0 || cubin <= 0 || (long)HeaderBytes + log + cubin != bytes.Length || !bytes.AsSpan(HashAt, HeaderBytes - HashAt).SequenceEqual(HashOf(bytes)))
            return null;
        var milliseconds = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(TimeAt)) / 1000.0;
        return new CompiledKernel(bytes[(HeaderBytes + log)..], Encoding.UTF8.GetString(bytes, HeaderBytes, log), milliseconds, Cached: true);
    }

    private static byte[] HashOf(byte[] bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(bytes, 0, HashAt);
        hash.AppendData(bytes, HeaderBytes, bytes.Length - HeaderBytes);
        return hash.GetHashAndReset();
    }

    // Windows does not replace a file that another process is reading; that process has the same content.
    private static void Replace(string temporary, string path)
    {
        try
        {
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException && File.Exists(path))
        {
        }
    }

    // What a killed process left. A living writer's file is seconds old.
    private static void RemoveLeftovers(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*" + TemporaryExtension))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > LeftoverAge)
                File.Delete(file);
        }
    }

    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            Interlocked.CompareExchange(ref _problem, $"compiled kernels cannot be kept in {_folder}: {e.Message} Set {FolderVariable} to a folder that can be written", null);
        }
    }
}
