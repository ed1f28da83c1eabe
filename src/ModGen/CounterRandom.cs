namespace ModGen;

/// <summary>
/// A counter-based generator: value i of a (seed, stream) pair is a pure function of the three, so that any draw can
/// be made again from numbers that a checkpoint keeps. The mixing function is SplitMix64's finalizer.
/// </summary>
internal struct CounterRandom(ulong seed, ulong stream)
{
    private readonly ulong _key = Mix(seed ^ Mix(stream + 0x9E3779B97F4A7C15));
    private ulong _counter;

    /// <summary>The stream that belongs to a name (FNV-1a).</summary>
    public static ulong Stream(string name)
    {
        var hash = 14695981039346656037UL;
        foreach (var c in name)
            hash = (hash ^ c) * 1099511628211UL;
        return hash;
    }

    /// <summary>One number from several: the draw of a step, the key of an epoch.</summary>
    public static ulong Hash(ulong a, ulong b, ulong c = 0) => Mix(a ^ Mix(b + 0x9E3779B97F4A7C15 ^ Mix(c + 0xD1B54A32D192ED03)));

    /// <summary>The next 64 bits.</summary>
    public ulong NextUInt64() => Mix(_key + ++_counter * 0x9E3779B97F4A7C15);

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in 0 … <paramref name="exclusive"/> − 1, without bias worth naming (64-bit multiply-high).</summary>
    public long NextInt64(long exclusive) => (long)Math.BigMul(NextUInt64(), (ulong)exclusive, out _);

    /// <summary>Normal deviates by the Box–Muller transform.</summary>
    public void FillNormal(Span<float> values, double deviation)
    {
        for (var i = 0; i < values.Length; i += 2)
        {
            var radius = deviation * Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
            var (sin, cos) = Math.SinCos(2 * Math.PI * NextDouble());
            values[i] = (float)(radius * cos);
            if (i + 1 < values.Length)
                values[i + 1] = (float)(radius * sin);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
