using System.Collections.Immutable;
using System.Globalization;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using ModGen.Compiler.Spec;
using ModGen.Generator.Reading;

namespace ModGen.Generator.Diagnostics;

/// <summary>Reports what is wrong with a declaration, by the rules that the generator goes by, where it is wrong.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class DecoderAnalyzer : DiagnosticAnalyzer
{
    private static readonly ImmutableArray<DiagnosticDescriptor> Supported =
    [
        Descriptors.NotPartial, Descriptors.UnsuitableClass, Descriptors.OwnBaseClass, Descriptors.OldLanguageVersion,
        Descriptors.MissingRuntime, Descriptors.NameClash, Descriptors.Missing, Descriptors.OutOfRange,
        Descriptors.WidthNotDivisible, Descriptors.OddHeadWidth, Descriptors.KeyValueHeadsDoNotDivide, Descriptors.TooLarge,
        Descriptors.NoDecoder, Descriptors.CapacityTwice, Descriptors.NoCapacity, Descriptors.LayersTwice,
        Descriptors.NoSuchLayer, Descriptors.DuplicateLayer, Descriptors.NothingRouted, Descriptors.RandomHasNoRouter,
        Descriptors.NoCausalDecision, Descriptors.UnknownValue,
    ];

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics => Supported;

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();
        // A declaration in a file that calls itself generated is compiled like any other, and so is checked like any other.
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.Analyze | GeneratedCodeAnalysisFlags.ReportDiagnostics);
        context.RegisterSymbolAction(Analyze, SymbolKind.NamedType);
    }

    private static void Analyze(SymbolAnalysisContext context)
    {
        var type = (INamedTypeSymbol)context.Symbol;
        if (type.TypeKind != TypeKind.Class)
            return;
        var locator = new ProblemLocator(type, context.CancellationToken);
        if (AttributeNames.Find(type, AttributeNames.DecoderClass) is null)
        {
            if (AttributeNames.Find(type, AttributeNames.DepthsClass) is not null)
                context.ReportDiagnostic(Diagnostic.Create(
                    Descriptors.NoDecoder, locator.Locate(DeclarationPart.MixtureOfDepths, null, null), type.Name));
            return;
        }
        var reading = DeclarationReader.Read(type, context.Compilation, context.CancellationToken);
        if (!reading.IsReadable)
            return;
        foreach (var problem in SpecValidator.Validate(reading.Declaration).Problems)
            context.ReportDiagnostic(Diagnostic.Create(
                Supported.Single(descriptor => descriptor.Id == problem.Rule),
                locator.Locate(problem.Part, problem.Argument, problem.Element),
                Properties(problem),
                problem.MessageArguments.ToArray<object>()));
    }

    // What a code fix needs, so that it works out nothing by itself.
    private static ImmutableDictionary<string, string?> Properties(SpecProblem problem) => ImmutableDictionary<string, string?>.Empty
        .Add(ProblemProperties.Argument, problem.Argument)
        .Add(ProblemProperties.Mends, string.Join(",", problem.Mends.Select(mend => mend.ToString(CultureInfo.InvariantCulture))));
}
