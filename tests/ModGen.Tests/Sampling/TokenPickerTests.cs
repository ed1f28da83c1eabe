using ModGen.Sampling;

namespace ModGen.Tests.Sampling;

public sealed class TokenPickerTests
{
    [Fact]
    public void Temperature_zero_takes_the_first_of_the_likeliest()
    {
        Assert.Equal(2, Pick([0, 1, 5, 5, float.NaN], new SamplingOptions(Temperature: 0)));
        Assert.Equal(2, Pick([0, 1, 5, 5, float.NaN], new SamplingOptions(TopK: 1)));
        Assert.Equal(1, Pick([float.NaN, float.PositiveInfinity, 3], new SamplingOptions()));
    }

    [Fact]
    public void Draws_with_the_probabilities_of_the_softmax()
    {
        float[] logits = [0, 1, -1, 2, float.NegativeInfinity, 0.5f];
        foreach (var temperature in (float[])[0.5f, 1, 3])
        {
            var counts = Counts(logits, new SamplingOptions(Temperature: temperature), 40_000);
            var mass = logits.Sum(logit => Math.Exp(logit / temperature));
            for (var token = 0; token < logits.Length; token++)
            {
                var p = Math.Exp(logits[token] / temperature) / mass;
                Assert.True(Math.Abs(counts[token] / 40_000.0 - p) <= 5 * Math.Sqrt(p * (1 - p) / 40_000), $"token {token}: {counts[token]} for {p}");
            }
        }
    }

    [Theory]
    [InlineData(1, new[] { 3 })]
    [InlineData(2, new[] { 3, 1 })]
    [InlineData(3, new[] { 3, 1, 5 })]
    [InlineData(4, new[] { 3, 1, 5, 6 })]
    [InlineData(99, new[] { 0, 1, 2, 3, 5, 6 })]
    public void Top_k_takes_k_and_ties_go_to_the_smaller_id(int k, int[] expected)
    {
        // 5 and 6 are equal.
        var counts = Counts([0, 1, -1, 2, float.NegativeInfinity, 0.5f, 0.5f], new SamplingOptions(Temperature: 2, TopK: k), 3000);
        Assert.Equal(expected.Order(), Enumerable.Range(0, 7).Where(token => counts[token] > 0));
    }

    [Theory]
    [InlineData(0.39f, new[] { 2 })]
    [InlineData(0.41f, new[] { 2, 0 })]
    [InlineData(0.69f, new[] { 2, 0 })]
    [InlineData(0.71f, new[] { 2, 0, 3 })]
    [InlineData(0.91f, new[] { 2, 0, 3, 1 })]
    [InlineData(1e-6f, new[] { 2 })]
    public void Top_p_takes_the_smallest_set_that_reaches_p(float p, int[] expected)
    {
        float[] logits = [.. new[] { 0.3f, 0.1f, 0.4f, 0.2f }.Select(share => MathF.Log(share))];
        var counts = Counts(logits, new SamplingOptions(TopP: p), 3000);
        Assert.Equal(expected.Order(), Enumerable.Range(0, 4).Where(token => counts[token] > 0));
    }

    [Fact]
    public void Top_p_agrees_with_sorting_everything()
    {
        var random = new Random(5);
        for (var round = 0; round < 200; round++)
        {
            var logits = Enumerable.Range(0, random.Next(2, 400)).Select(_ => (float)(random.NextDouble() * 8)).ToArray();
            var p = (float)(0.05 + 0.9 * random.NextDouble());
            var options = new SamplingOptions(TopP: p, Temperature: 0.7f);
            var weights = logits.Select((logit, token) => (Weight: Math.Exp(((double)logit - logits.Max()) / 0.7f), token)).OrderByDescending(w => w.Weight).ThenBy(w => w.token).ToList();
            var mass = weights.Sum(w => w.Weight);
            var (reached, kept) = (0.0, new HashSet<int>());
            foreach (var (weight, token) in weights)
            {
                if (reached >= p * mass)
                    break;
                reached += weight;
                kept.Add(token);
            }

            for (var position = 0; position < 50; position++)
                Assert.Contains(Pick(logits, options with { Seed = (ulong)round }, position), kept);
        }
    }

    [Fact]
    public void A_choice_is_made_again_from_its_seed_row_and_position()
    {
        float[] logits = new float[100];
        var options = new SamplingOptions(Seed: 3);
        int[] Draw(ulong seed, int row) => [.. Enumerable.Range(0, 50).Select(position => new TokenPicker(100).Pick([.. logits], options with { Seed = seed }, row, position))];
        Assert.Equal(Draw(3, 0), Draw(3, 0));
        Assert.NotEqual(Draw(3, 0), Draw(3, 1));
        Assert.NotEqual(Draw(3, 0), Draw(4, 0));
        Assert.True(Draw(3, 0).Distinct().Count() > 25);
    }

    [Fact]
    public void Repetition_is_penalised_once_a_token()
    {
        var picker = new TokenPicker(3);
        picker.See(0);
        picker.See(0);
        picker.See(2);
        float[] logits = [3, 2, -1];
        Assert.Equal(1, picker.Pick(logits, new SamplingOptions(Temperature: 0, RepetitionPenalty: 2), 0, 0));
        Assert.Equal([1.5f, 2, -2], logits);
        picker.Clear();
        Assert.Equal(0, picker.Pick([3, 2, -1], new SamplingOptions(Temperature: 0, RepetitionPenalty: 2), 0, 0));
    }

    [Fact]
    public void A_broken_model_is_said_to_be_one()
    {
        Assert.Throws<InvalidOperationException>(() => Pick([float.NaN, float.NaN], new SamplingOptions()));
        Assert.Throws<InvalidOperationException>(() => Pick([float.NegativeInfinity, float.NaN], new SamplingOptions(Temperature: 0)));
    }

    [Fact]
    public void Impossible_options_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(Temperature: -0.1f));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(Temperature: float.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(Temperature: float.PositiveInfinity));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(TopK: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(TopP: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(TopP: 1.01f));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(RepetitionPenalty: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions(MaximumTokens: 0));
        Assert.Throws<ArgumentException>(() => new SamplingOptions(StopTexts: ["a", ""]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SamplingOptions() with { TopP = 2 });
    }

    private static int Pick(float[] logits, SamplingOptions options, int position = 0) => new TokenPicker(logits.Length).Pick([.. logits], options, 0, position);

    private static int[] Counts(float[] logits, SamplingOptions options, int draws)
    {
        var (picker, counts) = (new TokenPicker(logits.Length), new int[logits.Length]);
        for (var position = 0; position < draws; position++)
            counts[picker.Pick([.. logits], options, 0, position)]++;
        return counts;
    }
}
