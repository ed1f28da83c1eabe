using System.Linq;
using Microsoft.CodeAnalysis;

namespace ModGen.Generator.Reading;

/// <summary>The attributes of the language of specs.</summary>
internal static class AttributeNames
{
    public const string Decoder = "ModGen." + DecoderClass;
    public const string DecoderClass = "DecoderAttribute";
    public const string DepthsClass = "MixtureOfDepthsAttribute";

    /// <summary>The first application of one of ModGen's attributes, or null.</summary>
    public static AttributeData? Find(INamedTypeSymbol type, string attributeClass) => type.GetAttributes().FirstOrDefault(attribute =>
        attribute.AttributeClass is { ContainingType: null, ContainingNamespace: { Name: "ModGen", ContainingNamespace.IsGlobalNamespace: true } } c
        && c.Name == attributeClass);
}
