namespace ModGen.Tests.RealModels;

[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 4, KeyValueHeads = 2, FeedForward = 64, Context = 32)]
[MixtureOfDepths(Capacity = 0.25, Predictor = 8, AuxiliaryWeight = 0)]
public sealed partial class RoutedByPredictor;

[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 32, TiedHead = true)]
[MixtureOfDepths(Tokens = 8, Gate = Gate.Sigmoid)]
public sealed partial class RoutedByRouter;

[Decoder(Vocabulary = 256, Width = 32, Layers = 3, Heads = 4, KeyValueHeads = 2, FeedForward = 64, Context = 30)]
public sealed partial class Dense;

[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 4, FeedForward = 64, Context = 32)]
[MixtureOfDepths(Capacity = 0.25, Routing = Routing.Random)]
public sealed partial class RoutedAtRandom;
