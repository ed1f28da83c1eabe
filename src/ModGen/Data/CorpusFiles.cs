namespace ModGen.Data;

/// <summary>Finds the files of a corpus, in an order that does not depend on the file system's.</summary>
internal static class CorpusFiles
{
    /// <summary>The file itself, or every file below the folder, sorted ordinally. Names with a leading dot and links to folders are left out.</summary>
    public static IReadOnlyList<string> Find(string path, CorpusOptions options)
    {
        if (File.Exists(path))
            return [path];
        if (!Directory.Exists(path))
            throw new CorpusException($"{path}: there is no such file or folder.");
        var files = new List<string>();
        Collect(new DirectoryInfo(path), options, files);
        if (files.Count == 0)
        {
            var wanted = options.Extensions is { } extensions ? $" ending in {string.Join(", ", extensions)}" : "";
            throw new CorpusException($"{path}: the folder holds no file{wanted}.");
        }

        files.Sort(string.CompareOrdinal);
        return files;
    }

    private static void Collect(DirectoryInfo folder, CorpusOptions options, List<string> files)
    {
        try
        {
            foreach (var entry in folder.EnumerateFileSystemInfos())
            {
                if (entry.Name.StartsWith('.'))
                    continue;
                if (entry is FileInfo && Wanted(entry.Name, options.Extensions))
                    files.Add(entry.FullName);
                else if (entry is DirectoryInfo inner && inner.LinkTarget is null)
                    Collect(inner, options, files);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{folder.FullName}: the folder cannot be read: {Errors.OneLine(e)}", e);
        }
    }

    private static bool Wanted(string name, IReadOnlyList<string>? extensions) =>
        extensions is null || extensions.Any(extension => name.EndsWith(extension, StringComparison.OrdinalIgnoreCase));
}
