namespace ModGen.Tests.Training;

public sealed class SettingsTests
{
    [Fact]
    public void Warms_up_and_cools_down()
    {
        var schedule = new LearningRateSchedule(WarmUp: 10, Steps: 110, Floor: 0.1);
        Assert.Equal(0.1, schedule.Factor(1), 1e-12);
        Assert.Equal(1, schedule.Factor(10), 1e-12);
        Assert.Equal(0.55, schedule.Factor(60), 1e-12);
        Assert.Equal(0.1, schedule.Factor(110), 1e-12);
        Assert.Equal(0.1, schedule.Factor(100_000), 1e-12);
        for (var step = 11; step <= 110; step++)
            Assert.True(schedule.Factor(step) < schedule.Factor(step - 1));
    }

    [Fact]
    public void Without_an_end_the_rate_stays()
    {
        Assert.Equal(1, new LearningRateSchedule().Factor(1));
        Assert.Equal(1, new LearningRateSchedule(WarmUp: 5).Factor(5));
        Assert.Equal(1, new LearningRateSchedule(WarmUp: 5).Factor(1_000_000));
        Assert.Equal(0.4, new LearningRateSchedule(WarmUp: 5).Factor(2), 1e-12);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_learning_rate_is_positive(float value)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(LearningRate: value));
        Assert.Contains("LearningRate", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW() with { LearningRate = value });
    }

    [Fact]
    public void Other_settings_have_ranges_too()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(Beta1: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(Beta2: float.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(Epsilon: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(WeightDecay: -0.1f));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { Accumulation = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { ClipNorm = float.NaN });
        Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRateSchedule(WarmUp: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRateSchedule(Floor: 1.5));
        Assert.Equal(new AdamW(), new AdamW(1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f));
    }
}
