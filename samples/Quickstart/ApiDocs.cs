using ModGen;

namespace Quickstart;

/// <summary>
/// A language model of .NET API documentation, byte by byte. Every other block is routed: it runs on the eighth of the
/// tokens that its router scores highest.
/// </summary>
[Decoder(Vocabulary = 256, Width = 192, Layers = 6, Heads = 6, Context = 256)]
[MixtureOfDepths(Capacity = 0.125, Every = 2)]
public partial class ApiDocs;
