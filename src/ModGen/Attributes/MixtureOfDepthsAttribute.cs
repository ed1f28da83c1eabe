namespace ModGen;

/// <summary>
/// Routes some blocks of a <see cref="DecoderAttribute">decoder</see>: a routed block runs on the k tokens of a sequence
/// that its router scores highest; the others pass by on the residual (arXiv 2404.02258).
/// </summary>
/// <remarks>Give exactly one of <see cref="Capacity"/> and <see cref="Tokens"/>.</remarks>
[AttributeUsage(AttributeTargets.Class)]
public sealed class MixtureOfDepthsAttribute : Attribute
{
    /// <summary>k as a fraction of the context, above 0 and at most 1: k = ⌊Capacity · Context + ½⌋, at least 1.</summary>
    public double Capacity { get; set; }

    /// <summary>k itself: tokens of a context, 1 … Context.</summary>
    public int Tokens { get; set; }

    /// <summary>Every how many blocks one is routed, 1 … 1024; 2, every other block, when not set.</summary>
    public int Every { get; set; } = 2;

    /// <summary>First routed block, 0 … Layers − 1; <see cref="Every"/> − 1 when not set, as in the paper.</summary>
    public int First { get; set; }

    /// <summary>The routed blocks, 0 … Layers − 1, each once and at least one, in place of <see cref="Every"/> and <see cref="First"/>.</summary>
    public int[]? Layers { get; set; }

    /// <summary>Where the scores come from; <see cref="Routing.Learned"/> when not set.</summary>
    public Routing Routing { get; set; }

    /// <summary>What multiplies the output of a routed block; <see cref="Gate.Identity"/> when not set. Not with random routing.</summary>
    public Gate Gate { get; set; }

    /// <summary>
    /// Weight of the auxiliary loss that makes the router itself usable for causal sampling, 0 … 1000; 0 for none. When not
    /// set, 0.01 without a <see cref="Predictor"/> and 0 with one. Not with random routing.
    /// </summary>
    public double AuxiliaryWeight { get; set; }

    /// <summary>
    /// Hidden width of the causal predictor, a small MLP beside the router, 0 … 65536; 0, for none, when not set. Not with
    /// random routing.
    /// </summary>
    public int Predictor { get; set; }
}

/// <summary>Where the scores of routed blocks come from.</summary>
public enum Routing
{
    /// <summary>A learned router: r = w·x.</summary>
    Learned,

    /// <summary>Random draws: the paper's stochastic control. No router, and a gate of one.</summary>
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
