namespace ModGen.Cpu.Tests;

public unsafe class SimdMathTests
{
    [Fact]
    public void Exponential_is_within_two_units_in_the_last_place_at_every_width()
    {
        var random = new Random(61);
        var x = new float[200_000];
        for (var i = 0; i < x.Length; i++)
            x[i] = (float)(random.NextDouble() * 175.9 - 87.3);
        Accurate<Lanes128>(x);
        if (Variants.Widths.Contains(256))
            Accurate<Lanes256>(x);
        if (Variants.Widths.Contains(512))
            Accurate<Lanes512>(x);
    }

    [Fact]
    public void Exponential_of_extremes()
    {
        float[] x = [float.NegativeInfinity, -1000, -87.5f, 0, 88.8f, 1000, float.PositiveInfinity, float.NaN];
        float[] expected = [0, 0, 0, 1, float.PositiveInfinity, float.PositiveInfinity, float.PositiveInfinity, float.NaN];
        var y = new float[8];
        fixed (float* px = x, py = y)
        {
            for (var i = 0; i < 8; i += 4)
                Lanes128.Store(py + i, SimdMath.Exp(Lanes128.Load(px + i)));
        }

        Assert.Equal(expected, y);
    }

    private static void Accurate<V>(float[] x)
        where V : struct, ILanes<V>
    {
        var y = new float[x.Length];
        fixed (float* px = x, py = y)
        {
            for (var i = 0; i < x.Length; i += V.Count)
                V.Store(py + i, SimdMath.Exp(V.Load(px + i)));
        }

        for (var i = 0; i < x.Length; i++)
        {
            var exact = Math.Exp(x[i]);
            Assert.True(Math.Abs(y[i] - exact) <= 2.4e-7 * exact, $"exp({x[i]:R}) gave {y[i]:R}, exactly {exact:R}");
        }
    }
}
