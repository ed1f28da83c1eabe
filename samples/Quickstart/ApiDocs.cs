using ModGen;

namespace Quickstart;

/// <summary>
/// A language model of .NET API documentation, byte by byte. Every other block is routed: it runs on the eighth of the
/// tokens that its router scores highest. In the minute that the quickstart has, many steps of a small model learn more
/// than few of a larger one.
/// </summary>
[Decoder(Vocabulary = 256, Width = 128, Layers = 6, Heads = 4, Context = 256)]
[MixtureOfDepths(Capacity = 0.125, Every = 2)]
public partial class ApiDocs;
