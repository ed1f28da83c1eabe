using System.Diagnostics;
using System.Globalization;
using ModGen.Hosting.Output;
using Spectre.Console;

namespace ModGen.Hosting.Training;

/// <summary>A display at the foot of the terminal that is drawn anew a few times a second; evaluations and saves scroll above it.</summary>
internal sealed class LiveTrainingView(VerbOutput output) : ITrainingView
{
    private const int BarWidth = 40;
    private const int CurveWidth = 60;
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(120);
    private readonly LossCurve _curve = new(CurveWidth);
    private LiveDisplayContext? _display;
    private TrainingProgress? _newest;
    private double? _validation;
    private long _drawn;

    public void Show(Action loop) => output.Ansi.Live(new Text("")).AutoClear(false).Start(display =>
    {
        _display = display;
        loop();
        Draw();
    });

    public void Stepped(TrainingProgress progress)
    {
        _newest = progress;
        _curve.Add(progress.Result.Loss);
        if (_drawn == 0 || Stopwatch.GetElapsedTime(_drawn) >= Redraw)
            Draw();
    }

    public void Evaluated(long step, EvaluationResult result)
    {
        _validation = result.Loss;
        output.Ansi.WriteLine(TrainingLines.Evaluated(step, result));
        Draw();
    }

    public void Saved(long step, string folder)
    {
        output.Ansi.WriteLine(TrainingLines.Saved(step, folder));
        Draw();
    }

    private void Draw()
    {
        if (_newest is not { } progress || _display is not { } display)
            return;
        _drawn = Stopwatch.GetTimestamp();
        display.UpdateTarget(new Rows(Bar(progress), Figures(progress), new Markup($"[blue]{_curve}[/]")));
        display.Refresh();
    }

    private static Markup Bar(TrainingProgress progress)
    {
        var share = progress.Steps is { } steps && steps > 0 ? Math.Clamp((double)progress.Result.Step / steps, 0, 1) : 0;
        var done = (int)(share * BarWidth);
        var of = progress.Steps is { } total ? $"/{total}" : "";
        var left = progress.TimeLeft is { } time ? Units.Duration(time < TimeSpan.Zero ? TimeSpan.Zero : time) : "?";
        return new Markup($"[green]{new string('━', done)}[/][grey]{new string('━', BarWidth - done)}[/]  step {progress.Result.Step}{of}  [grey]time left[/] {left}");
    }

    private Markup Figures(TrainingProgress progress)
    {
        var result = progress.Result;
        var validation = _validation is { } loss ? $"  [grey]validation[/] {Units.Loss(loss)}" : "";
        return new Markup(string.Create(
            CultureInfo.InvariantCulture,
            $"[grey]loss[/] [bold]{Units.Loss(_curve.Newest)}[/]{validation}  [grey]lr[/] {result.LearningRate:0.0e+0}  {Units.Count(progress.TokensPerSecond)} [grey]tokens/s[/]  {Units.FlopRate(progress.FlopRate)}"));
    }
}
