namespace ModGen.Cpu.Tests;

/// <summary>Seeded inputs, and results that hold NaN until a kernel writes them.</summary>
internal sealed class Data(int seed)
{
    private readonly Random _random = new(seed);

    public float[] Normal(int length, float scale = 1)
    {
        var values = new float[length];
        for (var i = 0; i < length; i++)
            values[i] = scale * (float)(Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()));
        return values;
    }

    public int[] Integers(int length, int bound)
    {
        var values = new int[length];
        for (var i = 0; i < length; i++)
            values[i] = _random.Next(bound);
        return values;
    }

    /// <summary>(batch, count) distinct ascending positions below length.</summary>
    public int[] Selection(int batch, int length, int count)
    {
        var result = new List<int>();
        for (var b = 0; b < batch; b++)
        {
            var all = Enumerable.Range(0, length).ToArray();
            _random.Shuffle(all);
            result.AddRange(all.Take(count).Order());
        }

        return [.. result];
    }

    public static float[] Poison(int length)
    {
        var values = new float[length];
        Array.Fill(values, float.NaN);
        return values;
    }
}
