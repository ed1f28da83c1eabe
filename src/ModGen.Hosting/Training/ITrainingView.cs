namespace ModGen.Hosting.Training;

/// <summary>Where a run stands after a step.</summary>
/// <param name="Result">The step.</param>
/// <param name="Steps">Steps of the run; null while that is not known.</param>
/// <param name="TokensPerSecond">Over the last steps.</param>
/// <param name="FlopsPerToken">FLOPs of the model's forward pass a token.</param>
/// <param name="Elapsed">Time since the run began or resumed.</param>
/// <param name="TimeLeft">Until the last step.</param>
internal sealed record TrainingProgress(
    StepResult Result, long? Steps, double TokensPerSecond, double FlopsPerToken, TimeSpan Elapsed, TimeSpan? TimeLeft)
{
    /// <summary>Model FLOPs a second: forward, and twice as much backward.</summary>
    public double FlopRate => 3 * FlopsPerToken * TokensPerSecond;
}

/// <summary>Shows a run: live on a terminal, as lines elsewhere, as JSON for programs.</summary>
internal interface ITrainingView
{
    /// <summary>Runs the loop inside whatever the view needs around it.</summary>
    void Show(Action loop);

    void Stepped(TrainingProgress progress);

    void Evaluated(long step, EvaluationResult result);

    void Saved(long step, string folder);
}
