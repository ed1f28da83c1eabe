using ModGen.Compiler;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle;

/// <summary>Small specifications with odd sizes.</summary>
public static class TestSpec
{
    /// <summary>A tiny model: every size different, none a multiple of a vector.</summary>
    public static ModelSpec Tiny(params BlockSpec[] blocks) => new(
        new TypeIdentity("Models", "Tiny", "public"),
        Vocabulary: 7, Width: 6, Heads: 2, KeyValueHeads: 2, HeadWidth: 4, FeedForward: 5, Context: 5,
        TiedHead: false, RotaryBase: 100, NormEpsilon: 1e-5, blocks.ToEquatableArray());

    /// <summary>A routed block that learns its scores.</summary>
    public static BlockSpec Routed(int tokens, GateKind gate = GateKind.Identity, double auxiliary = 0, int predictor = 0) =>
        new(new RoutingSpec(RoutingKind.Learned, tokens, null, gate, auxiliary, predictor));

    /// <summary>The paper's stochastic control.</summary>
    public static BlockSpec RandomlyRouted(int tokens) => new(new RoutingSpec(RoutingKind.Random, tokens, null, GateKind.One, 0, 0));

    /// <summary>Every feature of the language, one model each.</summary>
    public static IReadOnlyDictionary<string, ModelSpec> Features { get; } = new Dictionary<string, ModelSpec>
    {
        ["dense"] = Tiny(BlockSpec.Dense, BlockSpec.Dense),
        ["tied"] = Tiny(BlockSpec.Dense) with { TiedHead = true },
        ["grouped"] = Tiny(BlockSpec.Dense, Routed(2, auxiliary: 0.3)) with { Heads = 6, KeyValueHeads = 2, HeadWidth = 2 },
        ["identity"] = Tiny(BlockSpec.Dense, Routed(3, GateKind.Identity, auxiliary: 0.5)),
        ["sigmoid"] = Tiny(BlockSpec.Dense, Routed(2, GateKind.Sigmoid, auxiliary: 0.5), BlockSpec.Dense),
        ["tanh"] = Tiny(Routed(3, GateKind.Tanh, auxiliary: 0.5), Routed(3, GateKind.Tanh, auxiliary: 0.5)),
        ["predictor"] = Tiny(Routed(3, GateKind.Sigmoid, predictor: 3), BlockSpec.Dense),
        ["both"] = Tiny(BlockSpec.Dense, Routed(2, auxiliary: 0.25, predictor: 3), Routed(4, auxiliary: 0.25, predictor: 2)),
        ["neither"] = Tiny(Routed(3)),
        ["random"] = Tiny(BlockSpec.Dense, RandomlyRouted(2)),
        ["one token"] = Tiny(Routed(1, auxiliary: 0.5), BlockSpec.Dense),
        ["all tokens"] = Tiny(Routed(5, GateKind.Tanh, auxiliary: 0.5)),
    };
}
