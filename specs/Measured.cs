namespace ModGen.Specs;

// Models whose speed is measured. The dense ones are the twins of the routed ones that follow them.

/// <summary>The yardstick of the GPU targets, 272M parameters.</summary>
[Decoder(Vocabulary = 32768, Width = 1024, Layers = 16, Heads = 16, FeedForward = 2816, Context = 2048)]
public partial class Yardstick;

/// <summary>The yardstick with every other block at 12.5 %: k = 256.</summary>
[Decoder(Vocabulary = 32768, Width = 1024, Layers = 16, Heads = 16, FeedForward = 2816, Context = 2048)]
[MixtureOfDepths(Capacity = 0.125)]
public partial class YardstickEighth;

/// <summary>The yardstick with every other block at 50 %: k = 1024.</summary>
[Decoder(Vocabulary = 32768, Width = 1024, Layers = 16, Heads = 16, FeedForward = 2816, Context = 2048)]
[MixtureOfDepths(Capacity = 0.5)]
public partial class YardstickHalf;

/// <summary>The benchmark of the CPU back end, over bytes.</summary>
[Decoder(Vocabulary = 256, Width = 512, Layers = 8, Heads = 8, FeedForward = 1408, Context = 512)]
public partial class Cpu512;

/// <summary>The benchmark of the CPU back end with every other block at 12.5 %: k = 64.</summary>
[Decoder(Vocabulary = 256, Width = 512, Layers = 8, Heads = 8, FeedForward = 1408, Context = 512)]
[MixtureOfDepths(Capacity = 0.125)]
public partial class Cpu512Eighth;

/// <summary>The dense side of docs/experiment.md, 39M parameters over bytes.</summary>
[Decoder(Vocabulary = 256, Width = 512, Layers = 12, Heads = 8, FeedForward = 1408, Context = 1024)]
public partial class ExperimentDense;

/// <summary>The routed side: as many FLOPs a token in 22 layers, every other one at 12.5 % (k = 128).</summary>
[Decoder(Vocabulary = 256, Width = 512, Layers = 22, Heads = 8, FeedForward = 1408, Context = 1024)]
[MixtureOfDepths(Capacity = 0.125, Gate = Gate.Sigmoid, Predictor = 64)]
public partial class ExperimentEighth;
