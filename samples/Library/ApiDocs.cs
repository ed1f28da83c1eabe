using ModGen;

namespace Library;

/// <summary>A model small enough to train in seconds: half of the blocks run on a quarter of the tokens.</summary>
[Decoder(Vocabulary = 256, Width = 128, Layers = 4, Heads = 4, Context = 128)]
[MixtureOfDepths(Capacity = 0.25, Every = 2)]
public partial class ApiDocs;
