using System.Diagnostics;
using Microsoft.CodeAnalysis;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

/// <summary>What a keystroke costs. Times are the best of several, on a warm JIT: others may be busy on the machine.</summary>
[Collection(nameof(AloneCollection))]
public sealed class GenerationSpeedTests(ITestOutputHelper output)
{
    [Fact]
    public void A_cold_run_over_32_layers_takes_less_than_100_ms()
    {
        var best = Best(Project(32));
        output.WriteLine($"32 layers, driver and all: {best.TotalMilliseconds:0.0} ms");
        Assert.True(best < TimeSpan.FromMilliseconds(100), $"{best.TotalMilliseconds:0.0} ms");
    }

    [Fact]
    public void Time_is_linear_in_layers()
    {
        var few = Best(Project(128));
        var many = Best(Project(1024));
        output.WriteLine($"128 layers {few.TotalMilliseconds:0.0} ms, 1024 layers {many.TotalMilliseconds:0.0} ms");
        // Eight times the layers: linear is at most 8, quadratic 64.
        Assert.True(many < 16 * few, $"{few.TotalMilliseconds:0.0} ms at 128 layers, {many.TotalMilliseconds:0.0} ms at 1024");
    }

    [Fact]
    public void Text_does_not_grow_with_equal_layers()
    {
        var short8 = Length(8);
        var long512 = Length(512);
        output.WriteLine($"8 layers {short8} characters, 512 layers {long512}");
        // Only numbers grow: offsets and counts have more digits.
        Assert.InRange(long512 - short8, 0, short8 / 50);
    }

    private static int Length(int layers) => Project(layers).Build().Generated.Sum(file => file.Text.Length);

    private static TimeSpan Best(UserProject project)
    {
        var compilation = project.Compilation();
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 15; i++)
        {
            // A fresh driver has nothing cached.
            var driver = project.Driver();
            var start = Stopwatch.GetTimestamp();
            var run = driver.RunGenerators(compilation, TestContext.Current.CancellationToken);
            var elapsed = Stopwatch.GetElapsedTime(start);
            Assert.Equal(6, run.GetRunResult().GeneratedTrees.Length);
            best = elapsed < best ? elapsed : best;
        }

        return best;
    }

    private static UserProject Project(int layers) => new(
        $"""
        [ModGen.Decoder(Vocabulary = 32768, Width = 1024, Layers = {layers}, Heads = 16, FeedForward = 2816, Context = 2048)]
        [ModGen.MixtureOfDepths(Capacity = 0.125, Predictor = 64, AuxiliaryWeight = 0.01)]
        public partial class M;
        """);
}

/// <summary>Tests that run when no others do.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;
