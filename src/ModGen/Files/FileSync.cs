using System.Runtime.InteropServices;

namespace ModGen.Files;

/// <summary>Makes changes of folders durable. A file's own bytes are flushed by its stream.</summary>
internal static partial class FileSync
{
    private const int ReadOnly = 0;

    // EINVAL: the file system does not flush folders; there is nothing more to be done.
    private const int NotSupported = 22;

    /// <summary>Flushes the entries of a folder, so that a rename in it survives a crash. Nothing to do on Windows.</summary>
    public static void Folder(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Open(path, ReadOnly);
        if (descriptor < 0)
            throw new IOException($"{path}: the folder cannot be opened to flush it (error {Marshal.GetLastPInvokeError()}).");
        var failed = Sync(descriptor) != 0;
        var error = Marshal.GetLastPInvokeError();
        _ = Close(descriptor);
        if (failed && error != NotSupported)
            throw new IOException($"{path}: the folder cannot be flushed (error {error}).");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
