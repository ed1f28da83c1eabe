using System;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using ModGen.Compiler;
using ModGen.Compiler.Spec;
using ModGen.Generator.Diagnostics;
using ModGen.Generator.Outline;
using ModGen.Generator.Reading;

namespace ModGen.Generator;

/// <summary>
/// Writes the rest of every class that carries <c>[Decoder]</c>. The pipeline carries values only, and each class goes
/// through it alone: what a keystroke does not change is not computed again.
/// </summary>
[Microsoft.CodeAnalysis.Generator(LanguageNames.CSharp)]
public sealed class DecoderGenerator : IIncrementalGenerator
{
    private readonly Func<ModelSpec, CompiledModel> _compile;

    /// <summary>As Roslyn makes it.</summary>
    public DecoderGenerator()
        : this(DecoderCompiler.Compile)
    {
    }

    /// <summary>With another compiler: for tests of what happens when it fails.</summary>
    internal DecoderGenerator(Func<ModelSpec, CompiledModel> compile) => _compile = compile;

    /// <summary>Name of the step that gives the specification of each class.</summary>
    public const string SpecStep = "ModGen.Spec";

    /// <summary>Name of the step that compiles each specification.</summary>
    public const string CompileStep = "ModGen.Compile";

    /// <summary>Name of the step that gives the names that need telling apart.</summary>
    public const string NamesStep = "ModGen.Names";

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var models = context.SyntaxProvider
            .ForAttributeWithMetadataName(AttributeNames.Decoder, static (node, _) => node is ClassDeclarationSyntax or RecordDeclarationSyntax, Read)
            .WithTrackingName(SpecStep)
            .Where(static model => model is not null)
            .Select(static (model, _) => model!);
        var ambiguous = models.Select(static (model, _) => model.Type.FullName).Collect()
            .Select(static (names, _) => HintNames.Ambiguous(names))
            .WithTrackingName(NamesStep);
        var compiled = models.Select(Compile).WithTrackingName(CompileStep);
        context.RegisterSourceOutput(compiled.Combine(ambiguous), static (output, pair) => Write(output, pair.Left, pair.Right));
    }

    private static DeclaredModel? Read(GeneratorAttributeSyntaxContext context, CancellationToken cancellation)
    {
        if (context.TargetSymbol is not INamedTypeSymbol { TypeKind: TypeKind.Class } type)
            return null;
        // A class whose parts all carry the attribute (an error that the compiler reports) is still one class.
        if (AttributeNames.Find(type, AttributeNames.DecoderClass)?.ApplicationSyntaxReference is not { } applied
            || applied.SyntaxTree != context.TargetNode.SyntaxTree || !context.TargetNode.Span.Contains(applied.Span))
            return null;
        return DeclaredModel.From(DeclarationReader.Read(type, context.SemanticModel.Compilation, cancellation));
    }

    private GeneratedModel Compile(DeclaredModel model, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (model.Spec is not { } spec)
            return new(model.Type, EquatableArray.Of(OutlineEmitter.Emit(model.Outline!)), Failure: null);
        try
        {
            return new(model.Type, _compile(spec).Files, Failure: null);
        }
#pragma warning disable CA1031 // A defect of ours must reach the user as a diagnostic: an exception here would switch every model off.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            var failure = $"{exception.GetType().Name}: {exception.Message.Split('\n')[0].TrimEnd()}";
            return new(model.Type, EquatableArray.Of(OutlineEmitter.Emit(ModelOutline.Of(spec, failure))), failure);
        }
    }

    private static void Write(SourceProductionContext output, GeneratedModel model, EquatableArray<string> ambiguous)
    {
        if (model.Failure is { } failure)
            output.ReportDiagnostic(Diagnostic.Create(Descriptors.Internal, Location.None, model.Type.FullName, failure));
        var prefix = HintNames.Prefix(model.Type.FullName, ambiguous);
        foreach (var file in model.Files)
            output.AddSource($"{prefix}.{file.Name}.g.cs", file.Text);
    }
}

/// <summary>What the generator writes for one class.</summary>
/// <param name="Type">The class.</param>
/// <param name="Files">Names without the class's own, and texts.</param>
/// <param name="Failure">The compiler's own failure, or null.</param>
internal sealed record GeneratedModel(TypeIdentity Type, EquatableArray<GeneratedFile> Files, string? Failure);
