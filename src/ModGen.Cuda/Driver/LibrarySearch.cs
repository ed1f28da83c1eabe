namespace ModGen.Cuda;

/// <summary>
/// Where the driver and NVRTC are looked for, in order. A function of the operating system, the environment and the folders
/// that exist, so that it is tested without any of them.
/// </summary>
/// <param name="Windows">Whether the names are those of Windows.</param>
/// <param name="Variable">An environment variable; null or empty when unset.</param>
/// <param name="Folders">The folders that match a parent folder and a pattern; none when the parent does not exist.</param>
internal sealed record LibrarySearch(bool Windows, Func<string, string?> Variable, Func<string, string, IEnumerable<string>> Folders)
{
    /// <summary>Names a file or a folder to take NVRTC from; nothing else is tried then.</summary>
    public const string CompilerVariable = "MODGEN_NVRTC";

    // Newest first: a compiler that is newer than the driver is skipped when its version is known.
    private static readonly string[] LinuxNames = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
    private static readonly string[] WindowsNames = ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"];

    /// <summary>This process on this machine.</summary>
    public static LibrarySearch OfThisMachine { get; } =
        new(OperatingSystem.IsWindows(), Environment.GetEnvironmentVariable, FoldersOfThisMachine);

    /// <summary>The driver's library. It comes with the driver and lies on the system's own path.</summary>
    public IReadOnlyList<string> Driver => Windows ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];

    /// <summary>Files and names to load NVRTC from: the user's choice alone, or the system's path, toolkits, Python's packages.</summary>
    public IEnumerable<string> Compiler()
    {
        var names = Windows ? WindowsNames : LinuxNames;
        if (Variable(CompilerVariable) is { Length: > 0 } chosen)
            return Folders(Path.GetDirectoryName(chosen) ?? "", Path.GetFileName(chosen)).Any() ? names.Select(name => Path.Combine(chosen, name)) : [chosen];
        return names.Concat(CompilerFolders().SelectMany(folder => names.Select(name => Path.Combine(folder, name))));
    }

    private IEnumerable<string> CompilerFolders()
    {
        foreach (var root in new[] { Variable("CUDA_PATH"), Variable("CUDA_HOME") }.OfType<string>().Where(root => root.Length > 0).Concat(Toolkits()))
        {
            foreach (var inside in Windows ? [Path.Combine("bin", "x64"), "bin"] : new[] { "lib64", Path.Combine("targets", "x86_64-linux", "lib"), Path.Combine("targets", "sbsa-linux", "lib") })
                yield return Path.Combine(root, inside);
        }

        foreach (var packages in PythonPackages())
        {
            // NVIDIA's wheels: nvidia/cu13 from CUDA 13 on, nvidia/cuda_nvrtc before.
            foreach (var wheel in Folders(Path.Combine(packages, "nvidia"), "cu*").OrderByDescending(folder => folder, StringComparer.Ordinal))
                yield return Path.Combine(wheel, Windows ? "bin" : "lib");
        }
    }

    private IEnumerable<string> Toolkits()
    {
        if (Windows)
            return Newest(Path.Combine(Variable("ProgramFiles") ?? @"C:\Program Files", "NVIDIA GPU Computing Toolkit", "CUDA"), "v*");
        return Newest("/usr/local", "cuda*");
    }

    private IEnumerable<string> PythonPackages()
    {
        string?[] chosen = [Variable("VIRTUAL_ENV"), Variable("CONDA_PREFIX")];
        foreach (var environment in chosen.Concat(EnvironmentsOnPath()).OfType<string>().Where(environment => environment.Length > 0).Distinct(StringComparer.Ordinal))
        {
            if (Windows)
            {
                yield return Path.Combine(environment, "Lib", "site-packages");
                continue;
            }

            foreach (var python in Newest(Path.Combine(environment, "lib"), "python3*"))
            {
                yield return Path.Combine(python, "site-packages");
                yield return Path.Combine(python, "dist-packages");
            }
        }
    }

    // A python that the shell finds lies in the bin folder of its environment; on Windows in the environment itself.
    private IEnumerable<string?> EnvironmentsOnPath()
    {
        foreach (var folder in (Variable("PATH") ?? "").Split(Windows ? ';' : ':', StringSplitOptions.RemoveEmptyEntries))
        {
            var trimmed = folder.TrimEnd('/', '\\');
            if (Windows)
                yield return trimmed;
            else if (Path.GetFileName(trimmed) == "bin")
                yield return Path.GetDirectoryName(trimmed);
        }
    }

    // cuda-13.0 before cuda-9.1: by the numbers in the name.
    private IEnumerable<string> Newest(string parent, string pattern) =>
        Folders(parent, pattern).OrderByDescending(folder => Number(Path.GetFileName(folder)));

    private static Version Number(string name)
    {
        var digits = new string([.. name.SkipWhile(c => !char.IsAsciiDigit(c))]);
        return Version.TryParse(digits.Contains('.', StringComparison.Ordinal) ? digits : digits + ".0", out var version) ? version : new Version(0, 0);
    }

    private static string[] FoldersOfThisMachine(string parent, string pattern)
    {
        try
        {
            return Directory.Exists(parent) ? Directory.GetDirectories(parent, pattern) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
