using ModGen;

namespace Library;

[Decoder(Vocabulary = 256, Width = 256, Layers = 8, Heads = 8, FeedForward = 704, Context = 256)]
[MixtureOfDepths(Capacity = 0.125, Every = 2)]
public partial class ApiDocs;
