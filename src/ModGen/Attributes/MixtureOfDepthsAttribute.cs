namespace ModGen;

/// <summary>
/// Routes some blocks of a <see cref="DecoderAttribute">decoder</see>: a routed block runs on the k tokens of a sequence
/// that its router scores highest; the others pass by on the residual (arXiv 2404.02258).
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class MixtureOfDepthsAttribute : Attribute
{
    /// <summary>k as a fraction of the sequence, above 0 and at most 1: k = ⌊Capacity · Context + ½⌋, at least 1. Give this or <see cref="Tokens"/>.</summary>
    public double Capacity { get; set; }

    /// <summary>k in tokens of a full context. Give this or <see cref="Capacity"/>.</summary>
    public int Tokens { get; set; }

    /// <summary>Every how many blocks one is routed. 2, every other block, when not set.</summary>
    public int Every { get; set; } = 2;

    /// <summary>First routed block, from 0; <see cref="Every"/> − 1 when not set, as in the paper.</summary>
    public int First { get; set; } = -1;

    /// <summary>The routed blocks, from 0, in place of <see cref="Every"/> and <see cref="First"/>.</summary>
    public int[]? Layers { get; set; }

    /// <summary>Where the scores come from.</summary>
    public Routing Routing { get; set; }

    /// <summary>What multiplies the output of a routed block.</summary>
    public Gate Gate { get; set; }

    /// <summary>Weight of the auxiliary loss that makes the router itself usable for causal sampling; 0 for none.</summary>
    public double AuxiliaryWeight { get; set; } = 0.01;

    /// <summary>
    /// Hidden width of the causal predictor, a small MLP beside the router; 0 for none.
    /// </summary>
    public int Predictor { get; set; }
}

/// <summary>Where the scores of routed blocks come from.</summary>
public enum Routing
{
    /// <summary>A learned router: r = w·x.</summary>
    Learned,

    /// <summary>Random draws: the paper's stochastic control. No router, no gate.</summary>
    Random,
}

/// <summary>What multiplies the output of a routed block: g(r) of its router score r.</summary>
public enum Gate
{
    /// <summary>g(r) = r, as in the paper.</summary>
    Identity,

    /// <summary>g(r) = 1 / (1 + e⁻ʳ).</summary>
    Sigmoid,

    /// <summary>g(r) = tanh r.</summary>
    Tanh,
}
