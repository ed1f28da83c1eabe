using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using ModGen.Compiler.Spec;
using ModGen.Generator.Reading;

namespace ModGen.Generator.Diagnostics;

/// <summary>Finds the syntax that a problem lies in.</summary>
internal sealed class ProblemLocator(INamedTypeSymbol type, CancellationToken cancellation)
{
    public Location Locate(DeclarationPart part, string? argument, int? element) => part switch
    {
        DeclarationPart.Decoder => OfAttribute(AttributeNames.DecoderClass, argument, element),
        DeclarationPart.MixtureOfDepths => OfAttribute(AttributeNames.DepthsClass, argument, element),
        DeclarationPart.BaseList => OfBaseClass(),
        DeclarationPart.Member => ClassReader.Clashing(type).FirstOrDefault(member => member.Name == argument)?.Locations[0] ?? OfClass(),
        _ => OfClass(),
    };

    private IEnumerable<TypeDeclarationSyntax> Parts => ClassReader.Declarations(type, cancellation);

    // The part that lacks 'partial' where one does, and else the first.
    private Location OfClass() =>
        (Parts.FirstOrDefault(static p => !p.Modifiers.Any(SyntaxKind.PartialKeyword)) ?? Parts.FirstOrDefault())?.Identifier.GetLocation()
        ?? type.Locations[0];

    // The base class stands first in its list; other parts may list interfaces.
    private Location OfBaseClass() =>
        Parts.Select(static p => p.BaseList?.Types[0]).FirstOrDefault(first => first?.ToString().Contains(type.BaseType!.Name) == true)?.GetLocation()
        ?? OfClass();

    private Location OfAttribute(string attributeClass, string? argument, int? element)
    {
        var reference = AttributeNames.Find(type, attributeClass)?.ApplicationSyntaxReference;
        if (reference?.GetSyntax(cancellation) is not AttributeSyntax attribute)
            return OfClass();
        var named = attribute.ArgumentList?.Arguments.FirstOrDefault(a => a.NameEquals?.Name.Identifier.ValueText == argument);
        if (named is null)
            return attribute.Name.GetLocation();
        return element is { } index && Elements(named.Expression).ElementAtOrDefault(index) is { } expression
            ? expression.GetLocation()
            : named.GetLocation();
    }

    private static IEnumerable<SyntaxNode> Elements(ExpressionSyntax array) => array switch
    {
        ArrayCreationExpressionSyntax { Initializer: { } initializer } => initializer.Expressions,
        ImplicitArrayCreationExpressionSyntax { Initializer: var initializer } => initializer.Expressions,
        CollectionExpressionSyntax collection => collection.Elements,
        _ => [],
    };
}
