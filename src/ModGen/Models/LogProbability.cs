using System.Numerics.Tensors;

namespace ModGen;

/// <summary>Log-probabilities from logits, in double precision.</summary>
internal static class LogProbability
{
    /// <summary>−log softmax(<paramref name="logits"/>)[<paramref name="target"/>], in nats. NaN among the logits gives NaN.</summary>
    public static double CrossEntropy(ReadOnlySpan<float> logits, int target)
    {
        var largest = TensorPrimitives.Max(logits);
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp((double)logit - largest);
        return Math.Log(sum) + largest - logits[target];
    }
}
