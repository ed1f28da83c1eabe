using ModGen.Programs;

namespace ModGen;

/// <summary>AdamW (Loshchilov and Hutter, arXiv 1711.05101), with decoupled weight decay on matrices only.</summary>
public sealed record AdamW
{
    /// <summary>Makes the settings.</summary>
    /// <param name="LearningRate">Peak learning rate, above 0.</param>
    /// <param name="Beta1">Decay of the first moment, in [0, 1).</param>
    /// <param name="Beta2">Decay of the second moment, in [0, 1).</param>
    /// <param name="Epsilon">Added to the root of the second moment, above 0.</param>
    /// <param name="WeightDecay">Decay a step, times the learning rate, of matrices; not of gains and biases. 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public AdamW(float LearningRate = 1e-3f, float Beta1 = 0.9f, float Beta2 = 0.95f, float Epsilon = 1e-8f, float WeightDecay = 0.1f)
    {
        this.LearningRate = LearningRate;
        this.Beta1 = Beta1;
        this.Beta2 = Beta2;
        this.Epsilon = Epsilon;
        this.WeightDecay = WeightDecay;
    }

    /// <summary>Peak learning rate.</summary>
    public float LearningRate { get; init => field = Check.Above(value, 0); }

    /// <summary>Decay of the first moment.</summary>
    public float Beta1 { get; init => field = Check.Within(value, 0, 1); }

    /// <summary>Decay of the second moment.</summary>
    public float Beta2 { get; init => field = Check.Within(value, 0, 1); }

    /// <summary>Added to the root of the second moment.</summary>
    public float Epsilon { get; init => field = Check.Above(value, 0); }

    /// <summary>Decoupled decay of matrices.</summary>
    public float WeightDecay { get; init => field = Check.AtLeast(value, 0); }

    internal AdamWUpdate Update(float learningRate, float clipNorm, long step) =>
        new(learningRate, Beta1, Beta2, Epsilon, WeightDecay, clipNorm, step);
}
