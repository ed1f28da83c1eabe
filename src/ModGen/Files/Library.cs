using System.Reflection;

namespace ModGen.Files;

/// <summary>This library, as files name it.</summary>
internal static class Library
{
    public static string Version { get; } = Informational().Split('+')[0];

    private static string Informational() =>
        typeof(Library).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";
}
