namespace ModGen.Hosting.Tests;

public sealed class HelpTests
{
    [Theory]
    [InlineData("train", "--lr <N>", "[default: 0.003]")]
    [InlineData("sample", "--temperature <N>", "[default: 0.8]")]
    [InlineData("eval", "--sequences <N>", "[default: 128]")]
    [InlineData("inspect", "--source <DIR>", "[default: ./checkpoints/Tiny]")]
    [InlineData("bench", "--seconds <N>", "[default: 5]")]
    public async Task Each_verb_lists_its_options_with_their_defaults(string verb, string option, string defaultValue)
    {
        using var harness = new Harness();
        var outcome = await harness.Run(verb, "--help");
        Assert.Equal(0, outcome.Code);
        Assert.Contains(option, outcome.Out, StringComparison.Ordinal);
        Assert.Contains(defaultValue, outcome.Out, StringComparison.Ordinal);
        Assert.Contains("--json", outcome.Out, StringComparison.Ordinal);
        Assert.Empty(outcome.Error);
    }

    [Fact]
    public async Task Without_arguments_and_defaults_the_help_names_every_verb()
    {
        using var harness = new Harness();
        var outcome = await harness.Run();
        Assert.Equal(0, outcome.Code);
        foreach (var verb in new[] { "train", "sample", "eval", "inspect", "bench" })
            Assert.Contains($"\n  {verb} ", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_arguments_the_default_lines_run_in_order()
    {
        using var harness = new Harness();
        var outcome = await Harness.Run<Tiny>(
            [],
            [$"train --data \"{harness.Data}\" --checkpoint \"{harness.Checkpoints}\" --steps 2 --batch 2 --warmup 1 --eval-sequences 2", $"sample --checkpoint \"{harness.Checkpoints}\" --prompt \"a b\" --tokens 3"],
            input: null,
            TestContext.Current.CancellationToken);
        Assert.Equal(0, outcome.Code);
        Assert.True(outcome.Out.IndexOf("> train", StringComparison.Ordinal) < outcome.Out.IndexOf("> sample", StringComparison.Ordinal));
        Assert.Contains("\na b", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_default_line_that_fails_ends_the_program()
    {
        var outcome = await Harness.Run<Tiny>([], ["train --steps 0", "inspect"], input: null, TestContext.Current.CancellationToken);
        Assert.Equal(2, outcome.Code);
        Assert.DoesNotContain("> inspect", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Numbers_are_read_and_written_alike_in_every_culture()
    {
        using var harness = new Harness();
        var before = System.Globalization.CultureInfo.CurrentCulture;
        await harness.Train(2, "--lr", "0.01");
        Assert.Same(before, System.Globalization.CultureInfo.CurrentCulture);
        var settings = Training.TrainSettings.Load(harness.Checkpoints);
        Assert.Equal(0.01f, settings!.LearningRate);
    }
}
