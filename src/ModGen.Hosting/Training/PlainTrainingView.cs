using System.Globalization;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Training;

/// <summary>Lines for logs and pipes.</summary>
internal sealed class PlainTrainingView(VerbOutput output, long logEvery) : ITrainingView
{
    public void Show(Action loop) => loop();

    public void Stepped(TrainingProgress progress)
    {
        var result = progress.Result;
        if (result.Step != 1 && result.Step % logEvery != 0)
            return;
        output.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"step {result.Step}{(progress.Steps is { } steps ? $"/{steps}" : "")}  loss {Units.Loss(result.Loss)}  norm {result.GradientNorm:F2}  lr {result.LearningRate:0.0e+0}  {Units.Count(progress.TokensPerSecond)} tokens/s  {Units.FlopRate(progress.FlopRate)}{(progress.TimeLeft is { } left ? $"  {Units.Duration(left)} left" : "")}"));
    }

    public void Evaluated(long step, EvaluationResult result) => output.Note(TrainingLines.Evaluated(step, result));

    public void Saved(long step, string folder) => output.Note(TrainingLines.Saved(step, folder));
}

/// <summary>Lines that the views for people share.</summary>
internal static class TrainingLines
{
    public static string Evaluated(long step, EvaluationResult result) => string.Create(
        CultureInfo.InvariantCulture,
        $"step {step}  validation {Units.Loss(result.Loss)} nats/byte  {result.BitsPerToken:F3} bits/byte  perplexity {Math.Exp(result.Loss):F2}");

    public static string Saved(long step, string folder) => $"step {step}  saved {folder}";
}
