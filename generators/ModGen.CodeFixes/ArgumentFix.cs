using System.Collections.Generic;
using System.Collections.Immutable;
using System.Composition;
using System.Globalization;
using System.Linq;
using System.Threading.Tasks;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using ModGen.Compiler.Spec;

namespace ModGen.CodeFixes;

/// <summary>Mends an attribute argument: gives it a value that satisfies the rule, or removes what contradicts another.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(ArgumentFix)), Shared]
public sealed class ArgumentFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create(
        SpecRules.WidthNotDivisible, SpecRules.OddHeadWidth, SpecRules.KeyValueHeadsDoNotDivide,
        SpecRules.CapacityTwice, SpecRules.LayersTwice, SpecRules.RandomHasNoRouter, SpecRules.NoCausalDecision);

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        var root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        if (root?.FindNode(context.Span).FirstAncestorOrSelf<AttributeArgumentSyntax>() is not { NameEquals: not null } argument)
            return;
        foreach (var diagnostic in context.Diagnostics)
            foreach (var (title, changed) in Changes(diagnostic, root, argument))
                context.RegisterCodeFix(
                    CodeAction.Create(title, _ => Task.FromResult(context.Document.WithSyntaxRoot(changed)), equivalenceKey: title),
                    diagnostic);
    }

    private static IEnumerable<(string Title, SyntaxNode Changed)> Changes(Diagnostic diagnostic, SyntaxNode root, AttributeArgumentSyntax argument)
    {
        switch (diagnostic.Id)
        {
            case SpecRules.CapacityTwice:
                yield return Remove(root, argument);
                if (Sibling(argument, "Capacity") is { } capacity)
                    yield return Remove(root, capacity);
                break;
            case SpecRules.LayersTwice:
                yield return Remove(root, argument);
                if (Sibling(argument, "Layers") is { } layers)
                    yield return Remove(root, layers);
                break;
            case SpecRules.RandomHasNoRouter:
                yield return Remove(root, argument);
                break;
            case SpecRules.NoCausalDecision:
                yield return Set(root, argument, SpecDefaults.AuxiliaryWeight.ToString("R", CultureInfo.InvariantCulture));
                break;
            default:
                foreach (var mend in (diagnostic.Properties[ProblemProperties.Mends] ?? "").Split(','))
                    yield return Set(root, argument, mend);
                break;
        }
    }

    private static AttributeArgumentSyntax? Sibling(AttributeArgumentSyntax argument, string name) =>
        (argument.Parent as AttributeArgumentListSyntax)?.Arguments.FirstOrDefault(a => a.NameEquals?.Name.Identifier.ValueText == name);

    private static (string Title, SyntaxNode Changed) Remove(SyntaxNode root, AttributeArgumentSyntax argument) =>
        ($"Remove {argument.NameEquals!.Name}", root.RemoveNode(argument, SyntaxRemoveOptions.KeepNoTrivia)!);

    private static (string Title, SyntaxNode Changed) Set(SyntaxNode root, AttributeArgumentSyntax argument, string value) =>
        ($"{argument.NameEquals!.Name} = {value}",
            root.ReplaceNode(argument.Expression, SyntaxFactory.ParseExpression(value).WithTriviaFrom(argument.Expression)));
}
