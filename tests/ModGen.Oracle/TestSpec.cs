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
        new(new RoutingSpec(RoutingKind.Learned, tokens, gate, auxiliary, predictor));

    /// <summary>The paper's stochastic control.</summary>
    public static BlockSpec RandomlyRouted(int tokens) => new(new RoutingSpec(RoutingKind.Random, tokens, GateKind.One, 0, 0));

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

    /// <summary>A model of the sizes that tensor cores and their copy engine work on, small enough for float64 loops.</summary>
    public static ModelSpec Wide(params BlockSpec[] blocks) => new(
        new TypeIdentity("Models", "Wide", "public"),
        Vocabulary: 256, Width: 128, Heads: 2, KeyValueHeads: 2, HeadWidth: 64, FeedForward: 192, Context: 128,
        TiedHead: false, RotaryBase: 10000, NormEpsilon: 1e-5, blocks.ToEquatableArray());

    /// <summary>Models for whose sizes the kernels of tensor cores are chosen, whole tiles and broken ones, one trait each.</summary>
    public static IReadOnlyDictionary<string, ModelSpec> Tiles { get; } = new Dictionary<string, ModelSpec>
    {
        ["whole tiles"] = Wide(BlockSpec.Dense, Routed(128, GateKind.Identity, auxiliary: 0.5)) with { Width = 256, Heads = 4, KeyValueHeads = 4, FeedForward = 256, Context = 256 },
        ["k not of 16"] = Wide(Routed(37, GateKind.Sigmoid, auxiliary: 0.5), BlockSpec.Dense) with { Context = 200 },
        ["grouped"] = Wide(BlockSpec.Dense, Routed(45, GateKind.Tanh, auxiliary: 0.3, predictor: 11)) with { Vocabulary = 257, Width = 192, Heads = 6, KeyValueHeads = 3, FeedForward = 250, Context = 150 },
        ["tied"] = Wide(BlockSpec.Dense, Routed(64, GateKind.Sigmoid, predictor: 16)) with { TiedHead = true, KeyValueHeads = 1 },
        ["long"] = Wide(Routed(80, GateKind.Tanh, auxiliary: 0.5)) with { Context = 320 },
        ["width 192"] = Wide(BlockSpec.Dense, Routed(32, GateKind.Identity, predictor: 8)) with { Vocabulary = 257, Width = 192, Heads = 3, KeyValueHeads = 3, Context = 129 },
        ["head width 128"] = Wide(BlockSpec.Dense, Routed(96, auxiliary: 0.5)) with { Heads = 2, KeyValueHeads = 1, HeadWidth = 128, Context = 192 },
        ["lanes"] = Wide(BlockSpec.Dense, Routed(40, GateKind.Sigmoid, predictor: 16), Routed(70, GateKind.Tanh, auxiliary: 0.5)) with { Width = 256, Heads = 4, KeyValueHeads = 2, FeedForward = 512, Context = 140 },
        ["head width 32"] = Wide(RandomlyRouted(24), BlockSpec.Dense) with { Heads = 4, KeyValueHeads = 4, HeadWidth = 32 },
    };
}
