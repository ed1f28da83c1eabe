namespace ModGen.Cpu.Tests;

public class TopKTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 20, 7)]
    [InlineData(5, 256, 32)]
    [InlineData(2, 1000, 999)]
    [InlineData(2, 1000, 1000)]
    public void Random_scores_are_selected_as_sorting_would(int batch, int length, int count)
    {
        var data = new Data(41);
        Same(data.Normal(batch * length), batch, length, count);
        Same([.. data.Integers(batch * length, 4).Select(v => (float)v)], batch, length, count);
        Same([.. data.Normal(batch * length).Select(v => v * 1e-42f)], batch, length, count);
    }

    [Fact]
    public void Equal_scores_go_to_the_earlier_position()
    {
        Assert.Equal([0, 1, 2], Select([5, 5, 5, 5, 5], 3));
        Assert.Equal([1, 2], Select([1, 3, 2, 2, 2], 2));
        Assert.Equal([0, 1], Select([-0f, 0f, -0f, 0f], 2));
        Assert.Equal([1, 2], Select([float.NegativeInfinity, 0, -0f, 0], 2));
    }

    [Fact]
    public void Nan_ranks_below_everything_and_infinities_at_the_ends()
    {
        const float Inf = float.PositiveInfinity;
        Assert.Equal([1, 2], Select([float.NaN, -Inf, -3, float.NaN], 2));
        Assert.Equal([2, 3], Select([float.NaN, 1, Inf, float.MaxValue], 2));
        Assert.Equal([0, 1, 2], Select([float.NaN, float.NaN, 7, -float.NaN], 3));
        Assert.Equal([0], Select([float.NaN], 1));
    }

    private static int[] Select(float[] scores, int count)
    {
        var indices = new int[count];
        TopK.Select(Variants.Workers(CpuWorkers.VectorBits, 1), scores, indices, 1, scores.Length, count);
        return indices;
    }

    private static void Same(float[] scores, int batch, int length, int count)
    {
        var expected = new List<int>();
        for (var b = 0; b < batch; b++)
            expected.AddRange(Enumerable.Range(0, length).OrderByDescending(t => scores[b * length + t]).ThenBy(t => t).Take(count).Order());
        foreach (var bits in Variants.Widths)
        {
            for (var threads = 1; threads <= 3; threads++)
            {
                var indices = new int[batch * count];
                Array.Fill(indices, -1);
                TopK.Select(Variants.Workers(bits, threads), scores, indices, batch, length, count);
                Assert.Equal(expected, indices);
            }
        }
    }
}
