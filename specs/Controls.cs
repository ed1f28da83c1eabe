namespace ModGen.Specs;

// Small models, one feature each: what tests hold against the interpreter. Trained in milliseconds.

/// <summary>Every block dense: the control of all that follow.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
public partial class Dense;

/// <summary>The paper's method as it stands: capacity 12.5 %, every other block, identity gate, auxiliary loss.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.125)]
public partial class RoutedFraction;

/// <summary>Capacity in tokens.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Tokens = 5)]
public partial class RoutedTokens;

/// <summary>Sigmoid gate.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.25, Gate = Gate.Sigmoid)]
public partial class SigmoidGate;

/// <summary>Tanh gate.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.25, Gate = Gate.Tanh)]
public partial class TanhGate;

/// <summary>Causal sampling by the predictor alone.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.25, Predictor = 8)]
public partial class Predicted;

/// <summary>Auxiliary loss and predictor together; the predictor decides.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.25, AuxiliaryWeight = 0.05, Predictor = 8)]
public partial class PredictedAndAuxiliary;

/// <summary>Grouped-query attention, heads narrower than Width / Heads.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 3, Heads = 4, KeyValueHeads = 2, HeadWidth = 6, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.5)]
public partial class GroupedQuery;

/// <summary>One key/value head for all, and the head's matrix is the embedding's.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 2, Heads = 4, KeyValueHeads = 1, FeedForward = 64, Context = 16, TiedHead = true)]
public partial class TiedHead;

/// <summary>The paper's stochastic control.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.25, Routing = Routing.Random)]
public partial class RandomRouting;

/// <summary>Routed blocks by name: neighbours, and the first and the last.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 5, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Tokens = 6, Layers = [0, 3, 4], Gate = Gate.Sigmoid)]
public partial class ListedLayers;

/// <summary>Every block routed, from the first.</summary>
[Decoder(Vocabulary = 64, Width = 32, Layers = 3, Heads = 4, FeedForward = 64, Context = 16)]
[MixtureOfDepths(Capacity = 0.5, Every = 1, First = 0)]
public partial class EveryBlockRouted;

/// <summary>Sizes that the tiles of tensor cores divide, but for k = 40; heads 64 wide, two of queries to one of keys.</summary>
[Decoder(Vocabulary = 256, Width = 128, Layers = 2, Heads = 2, KeyValueHeads = 1, FeedForward = 192, Context = 128)]
[MixtureOfDepths(Tokens = 40, Gate = Gate.Sigmoid, AuxiliaryWeight = 0.02, Predictor = 16)]
public partial class TileSizes;

/// <summary>Sizes that no tile and no vector divides: 3 key/value heads, context 96, vocabulary 257, k = 37.</summary>
[Decoder(Vocabulary = 257, Width = 192, Layers = 3, Heads = 6, KeyValueHeads = 3, FeedForward = 250, Context = 96, NormEpsilon = 1e-6, RotaryBase = 500000)]
[MixtureOfDepths(Tokens = 37, Gate = Gate.Tanh, AuxiliaryWeight = 0.02, Predictor = 11)]
public partial class OddSizes;

/// <summary>Rows that a warp's lanes divide: a text of its own is decoded by whole-layer kernels.</summary>
[Decoder(Vocabulary = 64, Width = 256, Layers = 2, Heads = 4, FeedForward = 512, Context = 32)]
[MixtureOfDepths(Capacity = 0.5)]
public partial class LaneSizes;
