using System.Linq;

namespace ModGen.Compiler.Spec;

/// <summary>
/// A decoder-only language model as the user declared it, validated: every invariant that the later stages rely on
/// holds. Two equal specs compile to the same text.
/// </summary>
/// <param name="Type">The partial class that receives the generated members.</param>
/// <param name="Vocabulary">Number of token ids; ids are 0 … Vocabulary − 1.</param>
/// <param name="Width">Width D of the residual stream.</param>
/// <param name="Heads">Query heads H.</param>
/// <param name="KeyValueHeads">Key/value heads G; divides <paramref name="Heads"/>.</param>
/// <param name="HeadWidth">Width of one head; even, for the rotary embedding.</param>
/// <param name="FeedForward">Hidden width F of the SwiGLU MLP.</param>
/// <param name="Context">Positions T of a training sequence, and the longest sequence that can be sampled.</param>
/// <param name="TiedHead">True when the head shares the embedding's matrix.</param>
/// <param name="RotaryBase">Base θ of the rotary embedding.</param>
/// <param name="NormEpsilon">ε of RMSNorm.</param>
/// <param name="Blocks">One entry a layer, in order.</param>
public sealed record ModelSpec(
    TypeIdentity Type,
    int Vocabulary,
    int Width,
    int Heads,
    int KeyValueHeads,
    int HeadWidth,
    int FeedForward,
    int Context,
    bool TiedHead,
    double RotaryBase,
    double NormEpsilon,
    EquatableArray<BlockSpec> Blocks)
{
    /// <summary>Number of layers.</summary>
    public int Layers => Blocks.Count;
}

/// <summary>The class that carries the declaration: where the generated part goes and how it must be written.</summary>
/// <param name="Namespace">Its namespace, or the empty string for the global one.</param>
/// <param name="Name">Its name.</param>
/// <param name="Accessibility">Its accessibility as C# writes it: <c>public</c> or <c>internal</c>.</param>
public sealed record TypeIdentity(string Namespace, string Name, string Accessibility)
{
    /// <summary>The name with its namespace: unique in a compilation.</summary>
    public string FullName => Namespace.Length == 0 ? Name : Namespace + "." + Name;

    /// <summary>The name as C# source writes it: with an @ where it is a keyword.</summary>
    public string Identifier => CSharpIdentifier.Escape(Name);

    /// <summary>The namespace as C# source writes it.</summary>
    public string NamespaceIdentifier => string.Join(".", Namespace.Split('.').Select(CSharpIdentifier.Escape));
}

/// <summary>One decoder block. <paramref name="Routing"/> is null for a block that every token enters.</summary>
public sealed record BlockSpec(RoutingSpec? Routing)
{
    /// <summary>A block that every token enters.</summary>
    public static BlockSpec Dense { get; } = new(Routing: null);
}

/// <summary>How a Mixture-of-Depths block chooses its tokens (arXiv 2404.02258, section 3).</summary>
/// <param name="Kind">Where the scores come from.</param>
/// <param name="Tokens">k: tokens of a full context that enter the block, 1 … Context.</param>
/// <param name="Gate">What multiplies the block's output: g(r) of the router score r.</param>
/// <param name="AuxiliaryWeight">Weight of the auxiliary loss on the router; 0 for none.</param>
/// <param name="PredictorWidth">Hidden width of the causal predictor; 0 for none.</param>
public sealed record RoutingSpec(
    RoutingKind Kind, int Tokens, GateKind Gate, double AuxiliaryWeight, int PredictorWidth);

/// <summary>Where the scores of a routed block come from.</summary>
public enum RoutingKind
{
    /// <summary>r = w·x, learned.</summary>
    Learned,

    /// <summary>Drawn anew each step, the paper's stochastic control: no router, and a gate of one.</summary>
    Random,
}

/// <summary>The gate g(r) on a routed block's output.</summary>
public enum GateKind
{
    /// <summary>g(r) = r, as in the paper.</summary>
    Identity,

    /// <summary>g(r) = 1 / (1 + e⁻ʳ).</summary>
    Sigmoid,

    /// <summary>g(r) = tanh r.</summary>
    Tanh,

    /// <summary>g = 1: random routing, which has no score to learn.</summary>
    One,
}
