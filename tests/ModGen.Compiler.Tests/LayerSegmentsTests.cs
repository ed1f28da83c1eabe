using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Tests;

/// <summary>The loops over layers name every layer once, in order.</summary>
public sealed class LayerSegmentsTests
{
    [Fact]
    public void EveryShortListIsReproduced()
    {
        for (var length = 1; length <= 8; length++)
            for (var code = 0; code < Math.Pow(3, length); code++)
                Reproduces([.. Enumerable.Range(0, length).Select(i => code / (int)Math.Pow(3, i) % 3)]);
    }

    [Fact]
    public void LongListsAreReproduced()
    {
        var random = new Random(1);
        for (var trial = 0; trial < 500; trial++)
        {
            var period = random.Next(1, 24);
            var pattern = Enumerable.Range(0, period).Select(_ => random.Next(3)).ToArray();
            // A pattern repeated, with now and then a layer that breaks it.
            Reproduces([.. Enumerable.Range(0, random.Next(1, 200)).Select(i => random.Next(40) == 0 ? random.Next(3) : pattern[i % period])]);
        }
    }

    [Theory]
    [InlineData(new[] { 0, 0, 0, 0 }, 1)]
    [InlineData(new[] { 0, 1, 0, 1, 0, 1 }, 1)]
    [InlineData(new[] { 0, 0, 1, 0, 0, 1 }, 1)]
    [InlineData(new[] { 1, 0, 0, 0, 0 }, 2)]
    [InlineData(new[] { 0, 1, 0, 1, 0 }, 2)]
    public void APatternIsOneLoop(int[] kinds, int segments) => Assert.Equal(segments, LayerSegments.Of(kinds.ToEquatableArray()).Count);

    private static void Reproduces(int[] kinds)
    {
        var layers = new List<int>();
        foreach (var segment in LayerSegments.Of(kinds.ToEquatableArray()))
        {
            Assert.Equal(layers.Count, segment.First);
            for (var i = 0; i < segment.Repeats; i++)
                layers.AddRange(segment.Pattern);
        }

        Assert.Equal(kinds, layers);
    }
}
