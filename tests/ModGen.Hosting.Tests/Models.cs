namespace ModGen.Hosting.Tests;

/// <summary>A routed model that trains in milliseconds.</summary>
[Decoder(Vocabulary = 256, Width = 32, Layers = 4, Heads = 2, FeedForward = 64, Context = 32)]
[MixtureOfDepths(Capacity = 0.25, Every = 2)]
public partial class Tiny;

/// <summary>The same without routing.</summary>
[Decoder(Vocabulary = 256, Width = 32, Layers = 2, Heads = 2, FeedForward = 64, Context = 32)]
public partial class TinyDense;
