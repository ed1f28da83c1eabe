namespace ModGen.Tests.RealModels;

[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 4, KeyValueHeads = 2, FeedForward = 64, Context = 32)]
[MixtureOfDepths(Capacity = 0.25, Predictor = 8, AuxiliaryWeight = 0)]
public sealed partial class RoutedByPredictor;

[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 32, TiedHead = true)]
[MixtureOfDepths(Tokens = 8, Gate = Gate.Sigmoid)]
public sealed partial class RoutedByRouter;

/// <summary>Of the sizes that tensor cores work on; k is no multiple of a tile.</summary>
[Decoder(Vocabulary = 256, Width = 128, Layers = 4, Heads = 2, KeyValueHeads = 1, FeedForward = 192, Context = 128)]
[MixtureOfDepths(Tokens = 37, Gate = Gate.Sigmoid, AuxiliaryWeight = 0.1, Predictor = 16)]
public sealed partial class RoutedTiles;

/// <summary>Heads wider than a GPU's kernels take.</summary>
[Decoder(Vocabulary = 2, Width = 2, Layers = 1, Heads = 1, HeadWidth = 258, FeedForward = 1, Context = 2)]
public sealed partial class WideHeads;

/// <summary>A stream wider than a GPU's kernels take.</summary>
[Decoder(Vocabulary = 2, Width = 32770, Layers = 1, Heads = 1, HeadWidth = 2, FeedForward = 1, Context = 2)]
public sealed partial class WideStream;

/// <summary>Sequences longer than those of which a GPU selects tokens.</summary>
[Decoder(Vocabulary = 2, Width = 2, Layers = 1, Heads = 1, FeedForward = 1, Context = 57001)]
[MixtureOfDepths(Tokens = 1, First = 0)]
public sealed partial class LongRouted;

/// <summary>More tokens than a GPU chooses among, in no groups of four.</summary>
[Decoder(Vocabulary = 262145, Width = 2, Layers = 1, Heads = 1, FeedForward = 1, Context = 2)]
public sealed partial class OddVocabulary;

/// <summary>Little but a vocabulary.</summary>
[Decoder(Vocabulary = 65536, Width = 2, Layers = 1, Heads = 1, FeedForward = 1, Context = 1024)]
public sealed partial class Wordy;

[Decoder(Vocabulary = 256, Width = 32, Layers = 3, Heads = 4, KeyValueHeads = 2, FeedForward = 64, Context = 30)]
public sealed partial class Dense;

[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 32)]
[MixtureOfDepths(Capacity = 0.25, Routing = Routing.Random)]
public sealed partial class RoutedAtRandom;
