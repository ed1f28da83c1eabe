using System.Linq;
using System.Threading;
using Microsoft.CodeAnalysis;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Reading;

/// <summary>A declaration, and whether its attributes bind: where they do not, the compiler's own errors say so.</summary>
internal sealed record DeclarationReading(DecoderDeclaration Declaration, bool IsReadable);

/// <summary>Reads what the user declared off a symbol. Nothing of Roslyn's is in the result.</summary>
internal static class DeclarationReader
{
    /// <summary>Reads a class that carries <c>[Decoder]</c>.</summary>
    public static DeclarationReading Read(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation)
    {
        var decoder = new ArgumentReader(AttributeNames.Find(type, AttributeNames.DecoderClass)!, cancellation);
        var depths = AttributeNames.Find(type, AttributeNames.DepthsClass) is { } attribute ? new ArgumentReader(attribute, cancellation) : null;
        var containing = type.ContainingNamespace;
        var identity = new TypeIdentity(
            containing.IsGlobalNamespace ? "" : containing.ToDisplayString(Unescaped),
            type.Name,
            type.DeclaredAccessibility == Accessibility.Public ? "public" : "internal");
        var declaration = new DecoderDeclaration(
            identity, ClassReader.Read(type, compilation, cancellation), ReadDecoder(decoder), depths is null ? null : ReadDepths(depths));
        return new(declaration, decoder.IsReadable && depths is not { IsReadable: false });
    }

    private static SymbolDisplayFormat Unescaped { get; } =
        new(typeQualificationStyle: SymbolDisplayTypeQualificationStyle.NameAndContainingTypesAndNamespaces);

    private static DecoderArguments ReadDecoder(ArgumentReader a) => new()
    {
        Vocabulary = a.Value<int>("Vocabulary"),
        Width = a.Value<int>("Width"),
        Layers = a.Value<int>("Layers"),
        Heads = a.Value<int>("Heads"),
        KeyValueHeads = a.Value<int>("KeyValueHeads"),
        HeadWidth = a.Value<int>("HeadWidth"),
        FeedForward = a.Value<int>("FeedForward"),
        Context = a.Value<int>("Context"),
        TiedHead = a.Value<bool>("TiedHead"),
        RotaryBase = a.Value<double>("RotaryBase"),
        NormEpsilon = a.Value<double>("NormEpsilon"),
    };

    private static MixtureOfDepthsArguments ReadDepths(ArgumentReader a) => new()
    {
        Capacity = a.Value<double>("Capacity"),
        Tokens = a.Value<int>("Tokens"),
        Every = a.Value<int>("Every"),
        First = a.Value<int>("First"),
        Layers = a.Array<int>("Layers"),
        Routing = a.Value<int>("Routing"),
        Gate = a.Value<int>("Gate"),
        AuxiliaryWeight = a.Value<double>("AuxiliaryWeight"),
        Predictor = a.Value<int>("Predictor"),
    };
}
