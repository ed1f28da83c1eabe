using System.Runtime.InteropServices;

namespace ModGen.Data;

/// <summary>Finds the API documentation that every .NET SDK carries: <c>packs/*/VERSION/ref/*/*.xml</c> under its root.</summary>
internal static class SdkDocumentationFiles
{
    public static IReadOnlyList<string> Find(IEnumerable<string> roots)
    {
        var tried = new List<string>();
        foreach (var root in roots)
        {
            if (tried.Contains(root))
                continue;
            tried.Add(root);
            var files = Below(Path.Combine(root, "packs"));
            if (files.Count > 0)
                return files;
        }

        throw new CorpusException(
            $"No .NET SDK with API documentation was found (packs/*/*/ref/*/*.xml below {(tried.Count == 0 ? "no candidate" : string.Join(", ", tried))}); " +
            "set DOTNET_ROOT to the SDK's folder or name a text of your own.");
    }

    /// <summary>Where an SDK may be: DOTNET_ROOT, the home of the running runtime, and the <c>dotnet</c> on the PATH, links resolved.</summary>
    public static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } variable)
            yield return variable;
        // …/shared/Microsoft.NETCore.App/10.0.0/
        if (Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..")) is { Length: > 1 } home)
            yield return home;
        var name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var host = new FileInfo(Path.Combine(folder, name));
            if (host.Exists && (host.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? host).DirectoryName is { } root)
                yield return root;
        }
    }

    /// <summary>The newest version of each pack; the base library's first, so that a byte limit keeps it.</summary>
    private static List<string> Below(string packs)
    {
        var files = new List<string>();
        try
        {
            if (!Directory.Exists(packs))
                return files;
            foreach (var pack in Directory.GetDirectories(packs).OrderBy(p => Path.GetFileName(p) != "Microsoft.NETCore.App.Ref").ThenBy(p => p, StringComparer.Ordinal))
            {
                var newest = Directory.GetDirectories(pack).Where(v => Directory.Exists(Path.Combine(v, "ref"))).MaxBy(v => Version(Path.GetFileName(v)));
                if (newest is null)
                    continue;
                foreach (var framework in Directory.GetDirectories(Path.Combine(newest, "ref")).Order(StringComparer.Ordinal))
                    files.AddRange(Directory.GetFiles(framework, "*.xml").Order(StringComparer.Ordinal));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{packs}: the SDK's documentation cannot be read: {Errors.OneLine(e)}", e);
        }

        return files;
    }

    /// <summary>Orders versions by number, a release above its previews, and those by name.</summary>
    private static (Version Number, bool Release, string Name) Version(string name)
    {
        var dash = name.IndexOf('-', StringComparison.Ordinal);
        var number = System.Version.TryParse(dash < 0 ? name : name[..dash], out var parsed) ? parsed : new Version(0, 0);
        return (number, dash < 0, name);
    }
}
