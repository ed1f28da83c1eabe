namespace ModGen;

/// <summary>What one optimizer step did.</summary>
/// <param name="Step">1 for the first step.</param>
/// <param name="Loss">Mean cross-entropy in nats a counted target, before the update.</param>
/// <param name="AuxiliaryLoss">Mean over the routed layers that have one of the router's binary cross-entropy, unweighted; 0 without any.</param>
/// <param name="PredictorLoss">Mean over the layers that have a predictor of its binary cross-entropy; 0 without any.</param>
/// <param name="GradientNorm">Global norm of the gradient before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Tokens">Targets that counted.</param>
/// <param name="Elapsed">Wall time of the step.</param>
public readonly record struct StepResult(
    long Step, double Loss, double AuxiliaryLoss, double PredictorLoss, double GradientNorm, float LearningRate, long Tokens, TimeSpan Elapsed)
{
    /// <summary>Loss in bits a token: bits a byte for a byte model.</summary>
    public double BitsPerToken => Loss / Math.Log(2);

    /// <summary>Tokens trained on a second.</summary>
    public double TokensPerSecond => Tokens / Elapsed.TotalSeconds;
}

/// <summary>Mean losses of an evaluation under top-k routing.</summary>
/// <param name="Loss">Mean cross-entropy in nats a counted target.</param>
/// <param name="AuxiliaryLoss">As in <see cref="StepResult"/>.</param>
/// <param name="PredictorLoss">As in <see cref="StepResult"/>.</param>
/// <param name="Tokens">Targets that counted.</param>
/// <param name="Elapsed">Wall time.</param>
public readonly record struct EvaluationResult(double Loss, double AuxiliaryLoss, double PredictorLoss, long Tokens, TimeSpan Elapsed)
{
    /// <summary>Loss in bits a token: bits a byte for a byte model.</summary>
    public double BitsPerToken => Loss / Math.Log(2);
}
