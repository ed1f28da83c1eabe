using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace ModGen.Cpu.Tests;

/// <summary>Runs a kernel at every vector width and with 1, 2 and 3 threads, and holds the results against doubles.</summary>
internal static class Variants
{
    // 1e-5 relative to the largest element: float32 with sums of up to a few thousand terms.
    public const double Tolerance = 1e-5;

    private static readonly Dictionary<(int Bits, int Threads), CpuWorkers> Pool = [];

    public static IEnumerable<int> Widths
    {
        get
        {
            if (Vector512.IsHardwareAccelerated)
                yield return 512;
            if (Vector256.IsHardwareAccelerated)
                yield return 256;
            yield return 128;
        }
    }

    /// <summary>Workers that share even the smallest kernel.</summary>
    public static CpuWorkers Workers(int bits, int threads)
    {
        if (!Pool.TryGetValue((bits, threads), out var workers))
            Pool[(bits, threads)] = workers = new CpuWorkers(threads, bits, inlineCost: 0);
        return workers;
    }

    /// <summary>Every result of <paramref name="kernel"/> is close to the expected one, and bitwise the same for any number of threads.</summary>
    public static void Check(Func<CpuWorkers, float[][]> kernel, params double[][] expected)
    {
        foreach (var bits in Widths)
        {
            float[][]? first = null;
            foreach (var threads in (int[])[1, 2, 3])
            {
                var actual = kernel(Workers(bits, threads));
                Assert.Equal(expected.Length, actual.Length);
                for (var i = 0; i < expected.Length; i++)
                    Near(expected[i], actual[i], $"result {i}, {bits} bits, {threads} threads");
                first ??= actual;
                for (var i = 0; i < first.Length; i++)
                    Assert.True(MemoryMarshal.AsBytes(first[i].AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(actual[i].AsSpan())), $"result {i} with {threads} threads differs in bits, {bits} bits");
            }
        }
    }

    public static void Near(double[] expected, float[] actual, string what, double tolerance = Tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = expected.Length == 0 ? 0 : expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            var difference = Math.Abs(expected[i] - actual[i]);
            if (!(difference <= tolerance * scale))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R}, off by {difference:E2} where {tolerance * scale:E2} is allowed");
        }
    }
}
