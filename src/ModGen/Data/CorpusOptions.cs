namespace ModGen;

/// <summary>What a <see cref="Corpus{TModel}"/> takes of the files it is given.</summary>
public sealed record CorpusOptions
{
    /// <summary>Extensions of the files to read in a folder, such as <c>.txt</c>, whatever their case; all files when null.</summary>
    /// <exception cref="ArgumentException">The list is empty, or one of it is.</exception>
    public IReadOnlyList<string>? Extensions
    {
        get;
        init => field = value is null || (value.Count > 0 && !value.Any(string.IsNullOrEmpty))
            ? value
            : throw new ArgumentException("Extensions is empty or names an empty one; leave it null for all files.", nameof(Extensions));
    }

    /// <summary>True to take files that are not UTF-8 text as the bytes they are; false refuses them by name and offset.</summary>
    public bool AllowBytes { get; init; }

    /// <summary>Bytes to read at most; the text ends there.</summary>
    public long MaximumBytes { get; init => field = Check.AtLeast(value, 1); } = long.MaxValue;
}
