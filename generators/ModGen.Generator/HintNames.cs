using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Globalization;
using System.Linq;
using System.Text;
using ModGen.Compiler;

namespace ModGen.Generator;

/// <summary>
/// Names of generated files. Roslyn compares them without regard to case, and a build can write them to disk, so that
/// classes that differ only in case, and very long names, get a hash.
/// </summary>
internal static class HintNames
{
    // File systems take 255 bytes a name; the rest is for the file's own part.
    private const int LongestInBytes = 160;

    /// <summary>The names that differ from another one only in case.</summary>
    public static EquatableArray<string> Ambiguous(ImmutableArray<string> names) => names
        .GroupBy(static name => name, StringComparer.OrdinalIgnoreCase)
        .Where(static group => group.Count() > 1)
        .SelectMany(static group => group)
        .OrderBy(static name => name, StringComparer.Ordinal)
        .ToEquatableArray();

    /// <summary>What the names of a class's files begin with.</summary>
    public static string Prefix(string fullName, IReadOnlyCollection<string> ambiguous)
    {
        if (Encoding.UTF8.GetByteCount(fullName) > LongestInBytes)
            return $"{Shorten(fullName)}.{Hash(fullName)}";
        return ambiguous.Contains(fullName) ? $"{fullName}.{Hash(fullName)}" : fullName;
    }

    private static string Shorten(string fullName)
    {
        var length = fullName.Length;
        while (Encoding.UTF8.GetByteCount(fullName.Substring(0, length)) > LongestInBytes)
            length--;
        return fullName.Substring(0, length);
    }

    // FNV-1a over UTF-16 units: equal on every machine, unlike string.GetHashCode.
    private static string Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var c in text)
            hash = unchecked((hash ^ c) * 1099511628211UL);
        return hash.ToString("x16", CultureInfo.InvariantCulture);
    }
}
