using ModGen.Hosting.Output;

namespace ModGen.Hosting.Training;

/// <summary>One JSON object an event.</summary>
internal sealed class JsonTrainingView(VerbOutput output, long logEvery) : ITrainingView
{
    public void Show(Action loop) => loop();

    public void Stepped(TrainingProgress progress)
    {
        var result = progress.Result;
        if (result.Step % logEvery != 0)
            return;
        output.Emit("step", new
        {
            result.Step,
            progress.Steps,
            result.Loss,
            result.AuxiliaryLoss,
            result.PredictorLoss,
            result.GradientNorm,
            result.LearningRate,
            result.Tokens,
            Seconds = result.Elapsed.TotalSeconds,
            progress.TokensPerSecond,
            FlopsPerSecond = progress.FlopRate,
            SecondsLeft = progress.TimeLeft?.TotalSeconds,
        });
    }

    public void Evaluated(long step, EvaluationResult result) => output.Emit("validation", new
    {
        Step = step,
        result.Loss,
        result.BitsPerToken,
        Perplexity = Math.Exp(result.Loss),
        result.AuxiliaryLoss,
        result.PredictorLoss,
        result.Tokens,
        Seconds = result.Elapsed.TotalSeconds,
    });

    public void Saved(long step, string folder) => output.Emit("saved", new { Step = step, Folder = folder });
}
