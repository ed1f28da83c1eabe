using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace ModGen.Cuda;

/// <summary>Turns sources into cubins for one architecture and precision, through the cache.</summary>
internal sealed partial class KernelBuilder
{
    /// <summary>Names more options of NVRTC, between blanks: as --Ofast-compile=mid where many models each run for a moment.</summary>
    public const string OptionsVariable = "MODGEN_NVRTC_OPTIONS";

    private const int MostErrors = 5, LinesAround = 2;
    private readonly IKernelCompiler _compiler;
    private readonly KernelCache _cache;
    private readonly string[] _options;

    public KernelBuilder(IKernelCompiler compiler, KernelCache cache, Version capability, bool float32, string[]? options = null)
    {
        _compiler = compiler;
        _cache = cache;
        Architecture = ArchitectureOf(capability);
        _options = [$"--gpu-architecture={Architecture}", "--std=c++17", float32 ? "-DMODGEN_FLOAT32=1" : "-DMODGEN_FLOAT32=0", "--ptxas-options=-v", .. options ?? Asked()];
    }

    /// <summary>The architecture that cubins are for.</summary>
    public string Architecture { get; }

    /// <summary>Hopper's own instructions are in sm_90a alone; elsewhere the portable families run.</summary>
    public static string ArchitectureOf(Version capability) =>
        capability is { Major: 9, Minor: 0 } ? "sm_90a" : string.Create(CultureInfo.InvariantCulture, $"sm_{capability.Major}{capability.Minor}");

    private static string[] Asked() => (Environment.GetEnvironmentVariable(OptionsVariable) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The kernel from the cache, or compiled and kept.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="define">The text in front of its source.</param>
    /// <param name="fresh">Whether to compile even so: the cached one did not load.</param>
    public CompiledKernel Build(Kernel kernel, string? define, bool fresh = false)
    {
        var text = KernelSource.Of(kernel, define);
        var key = KernelCache.Key(text, _options, _compiler.Version);
        if (!fresh && _cache.Read(key) is { } cached)
            return cached;
        var clock = Stopwatch.StartNew();
        var output = _compiler.Compile(text, kernel.Name, _options);
        if (!output.Succeeded)
            throw new CudaException(FailureText(kernel, define, output.Log), "nvrtcCompileProgram", kernel.Name);
        var built = new CompiledKernel(output.Cubin, output.Log, clock.Elapsed.TotalMilliseconds, Cached: false);
        _cache.Write(key, built);
        return built;
    }

    /// <summary>What in a log a person should know of: serialised wgmma and spills, which cost time, and warnings.</summary>
    public static IReadOnlyList<string> WarningsOf(string log) =>
        [.. log.Split('\n').Select(line => line.Trim()).Where(line =>
            line.Contains("wgmma.mma_async instructions are serialized", StringComparison.Ordinal)
            || line.Contains("warning", StringComparison.OrdinalIgnoreCase)
            || SpillPattern().IsMatch(line))];

    private string FailureText(Kernel kernel, string? define, string log)
    {
        var parts = KernelSource.Parts(kernel, define).ToDictionary(part => part.Name, part => part.Text.Split('\n'), StringComparer.Ordinal);
        var message = new StringBuilder($"Kernel {kernel.Name} does not compile for {Architecture} with NVRTC {_compiler.Version}:");
        var errors = log.Split('\n').Where(line => line.Contains("error", StringComparison.OrdinalIgnoreCase)).Take(MostErrors).ToArray();
        foreach (var error in errors.Length > 0 ? errors : log.Split('\n').Take(MostErrors))
        {
            message.Append('\n').Append(error.Trim());
            var place = PlacePattern().Match(error);
            if (place.Success && parts.TryGetValue(place.Groups["part"].Value, out var lines))
                AppendLines(message, lines, int.Parse(place.Groups["line"].ValueSpan, CultureInfo.InvariantCulture));
        }

        return message.ToString();
    }

    private static void AppendLines(StringBuilder message, string[] lines, int center)
    {
        for (var line = Math.Max(1, center - LinesAround); line <= Math.Min(lines.Length, center + LinesAround); line++)
            message.Append(CultureInfo.InvariantCulture, $"\n{(line == center ? '>' : ' ')}{line,5}  {lines[line - 1].TrimEnd()}");
    }

    // "top_k.cuh(34): error: ..."
    [GeneratedRegex(@"^(?<part>[^()\s]+)\((?<line>\d+)\)")]
    private static partial Regex PlacePattern();

    [GeneratedRegex(@"\b[1-9]\d* bytes spill")]
    private static partial Regex SpillPattern();
}
