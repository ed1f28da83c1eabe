using System.Text;
using System.Text.RegularExpressions;

namespace ModGen.Cuda.Tests.Fakes;

/// <summary>
/// Compiles to a "cubin" that says its architecture, the kernel's name and the sizes of its parameters. A text with the
/// word <c>broken</c> in its entry does not compile.
/// </summary>
internal sealed partial class FakeCompiler : IKernelCompiler
{
    private int _compilations;

    public Version Version { get; set; } = new(13, 0);

    public IReadOnlyList<int> Architectures { get; set; } = [80, 90, 100];

    public string Log { get; set; } = "";

    public int Compilations => _compilations;

    /// <summary>What the last compilation was told.</summary>
    public IReadOnlyList<string> LastOptions { get; private set; } = [];

    public CompilerOutput Compile(string text, string name, IReadOnlyList<string> options)
    {
        Interlocked.Increment(ref _compilations);
        LastOptions = options;
        var lines = text[text.LastIndexOf("#line 1 ", StringComparison.Ordinal)..].Split('\n').Skip(1).ToList();
        var broken = lines.FindIndex(line => line.Contains("broken", StringComparison.Ordinal));
        if (broken >= 0)
            return new CompilerOutput([], $"{name}({broken + 1}): error: identifier \"broken\" is undefined\n\n1 error detected in the compilation of \"{name}\".\n", false);
        var entry = EntryPattern().Match(string.Join('\n', lines.Select(line => line.Split("//")[0])));
        var sizes = entry.Groups["parameters"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(SizeOf);
        var architecture = options.Single(option => option.StartsWith("--gpu-architecture=", StringComparison.Ordinal)).Split('=')[1];
        return new CompilerOutput(Image(architecture, entry.Groups["name"].Value, sizes), Log, true);
    }

    public static byte[] Image(string architecture, string name, IEnumerable<int> sizes) =>
        Encoding.UTF8.GetBytes($"cubin {architecture} {name} {string.Join(',', sizes)}");

    private static int SizeOf(string parameter) => parameter switch
    {
        _ when parameter.Contains('*', StringComparison.Ordinal) => 8,
        _ when parameter.StartsWith("Rows ", StringComparison.Ordinal) => 16,
        _ when parameter.Contains("TensorMap ", StringComparison.Ordinal) => 128,
        _ when parameter.StartsWith("i64 ", StringComparison.Ordinal) || parameter.StartsWith("u64 ", StringComparison.Ordinal) => 8,
        _ => 4,
    };

    [GeneratedRegex(@"__global__ void (?:__launch_bounds__\((?:[^()]|\([^()]*\))*\) )?(?<name>\w+)\((?<parameters>[^)]*)\)")]
    private static partial Regex EntryPattern();
}
