using System.Collections.Concurrent;
using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests.Device;

/// <summary>
/// Every kernel family, as instantiated for the checks, through NVRTC and its assembler: the text of inline PTX is checked
/// here and nowhere else without a GPU. Needs NVRTC and a checkout.
/// </summary>
public sealed class InstanceTests : IDisposable
{
    private const string Families = "// families: ", BothPrecisions = "// precisions: both";
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Every_family_compiles_for_what_it_is_meant_for()
    {
        var instances = FindFolder();
        Assert.SkipWhen(instances is null, "there is no checkout around this test");
        CompilerTests.NeedCompiler();
        var cases = Directory.GetFiles(instances!, "*.cu").SelectMany(CasesOf).ToArray();
        Assert.True(cases.Length > 20, $"{cases.Length} cases in {instances}");
        var problems = new ConcurrentBag<string>();
        Parallel.ForEach(Partitioner.Create(cases, EnumerablePartitionerOptions.NoBuffering), c =>
        {
            if (ProblemOf(c) is { } problem)
                problems.Add($"{c.Kernel.Name}, {KernelBuilder.ArchitectureOf(c.Capability)}, {(c.Float32 ? "float32" : "bfloat16")}: {problem}");
        });
        Assert.Empty(problems);
    }

    public void Dispose() => _folder.Dispose();

    private string? ProblemOf(Case c)
    {
        try
        {
            var built = new KernelBuilder(new NvrtcCompiler(), new KernelCache(_folder.Path), c.Capability, c.Float32).Build(c.Kernel, null);
            // It compiles, to a fraction of its speed.
            return built.Log.Contains("instructions are serialized", StringComparison.Ordinal) ? built.Log : null;
        }
        catch (CudaException e)
        {
            return e.Message;
        }
    }

    private static IEnumerable<Case> CasesOf(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        var text = File.ReadAllText(file);
        var lines = text.Split('\n');
        Assert.StartsWith(Families, lines[0], StringComparison.Ordinal);
        var kernel = new Kernel(name, lines[0][Families.Length..], 256, text);
        bool[] precisions = lines[1] == BothPrecisions ? [false, true] : [false];
        return from capability in Capabilities(name) from float32 in precisions select new Case(kernel, capability, float32);
    }

    private static Version[] Capabilities(string name)
    {
        if (name.Contains("sm90", StringComparison.Ordinal))
            return [new(9, 0)];
        return name.Contains("sm80", StringComparison.Ordinal) ? [new(8, 0)] : [new(8, 0), new(9, 0)];
    }

    private static string? FindFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var instances = Path.Combine(folder.FullName, "bench", "kernels", "instances");
            if (Directory.Exists(instances))
                return instances;
        }

        return null;
    }

    private sealed record Case(Kernel Kernel, Version Capability, bool Float32);
}
