using ModGen.Hosting.Output;
using ModGen.Hosting.Training;
using Spectre.Console;

namespace ModGen.Hosting.Tests;

public sealed class OutputTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(999, "999")]
    [InlineData(1000, "1.00 k")]
    [InlineData(12_345, "12.3 k")]
    [InlineData(999_960, "1.00 M")]
    [InlineData(2_755_584, "2.76 M")]
    public void Counts_have_three_digits(double value, string text) => Assert.Equal(text, Units.Count(value));

    [Fact]
    public void Rates_bytes_and_times_have_their_units()
    {
        Assert.Equal("161 GFLOP/s", Units.FlopRate(160.7e9));
        Assert.Equal("12 FLOP/s", Units.FlopRate(12));
        Assert.Equal("1.50 MiB", Units.Bytes(1.5 * 1024 * 1024));
        Assert.Equal("17 B", Units.Bytes(17));
        Assert.Equal("1:05", Units.Duration(TimeSpan.FromSeconds(65)));
        Assert.Equal("25:00:01", Units.Duration(new TimeSpan(1, 1, 0, 1)));
        Assert.Equal("12.5 %", Units.Percent(0.125));
    }

    [Fact]
    public void The_loss_curve_falls_from_left_to_right_in_its_width_however_long_the_run()
    {
        var curve = new LossCurve(width: 20);
        for (var step = 0; step < 10_000; step++)
            curve.Add(10.0 - step / 1000.0);
        var line = curve.ToString();
        Assert.Equal(20, line.Length);
        Assert.Equal(line, string.Concat(line.OrderDescending()));
        Assert.Equal('█', line[0]);
        Assert.Equal('▁', line[^1]);
    }

    [Fact]
    public void The_live_view_shows_loss_speed_and_time_left_and_lets_evaluations_scroll()
    {
        var text = new StringWriter();
        var ansi = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.TrueColor, Interactive = InteractionSupport.Yes, Out = new AnsiConsoleOutput(text) });
        ansi.Profile.Width = 120;
        var view = new LiveTrainingView(new VerbOutput(new AppConsole(text, text, null, IsTerminal: true) { Ansi = ansi }, json: false));
        view.Show(() =>
        {
            view.Stepped(new TrainingProgress(new StepResult(5, 1.25, 0, 0, 1, 3e-3f, 4096, TimeSpan.FromSeconds(0.5)), 10, 8192, 1e6, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(62)));
            view.Evaluated(5, new EvaluationResult(1.5, 0, 0, 100, TimeSpan.Zero));
        });
        var shown = text.ToString();
        foreach (var part in new[] { "step 5/10", "1:02", "1.2500", "8.19 k", "24.6 GFLOP/s", "step 5  validation 1.5000 nats/byte" })
            Assert.Contains(part, shown, StringComparison.Ordinal);
    }

    [Fact]
    public void Marks_stand_below_their_characters()
    {
        RoutedPiece[] pieces = [new("a", 0), new("é", 2), new("\n", 1), new("b", 3)];
        Assert.Equal(["aé", ".21", "b", "3"], RoutedText.MarkedLines(pieces));
    }

    [Fact]
    public void Depths_have_colours_of_their_own()
    {
        Assert.Equal(7, Enumerable.Range(0, 7).Select(depth => DepthScale.Terminal(depth, 6)).Distinct().Count());
        Assert.Equal(DepthScale.Css(1, 1), DepthScale.Css(4, 4));
    }
}
