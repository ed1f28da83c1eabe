using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using ModGen.Compiler;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Reading;

/// <summary>Reads how a class is written. The analyzer sees the generated part too, which must not count.</summary>
internal static class ClassReader
{
    // One of each assembly that generated code calls.
    private static readonly string[] RuntimeTypes = { "ModGen.DecoderModel`1", "ModGen.Programs.TrainingProgram", "ModGen.Cpu.CpuWorkers", "ModGen.Cuda.Kernel" };

    public static ClassFacts Read(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation)
    {
        var declarations = Declarations(type, cancellation).ToArray();
        return new()
        {
            IsPartial = declarations.All(static d => d.Modifiers.Any(SyntaxKind.PartialKeyword)),
            IsRecord = type.IsRecord,
            IsStatic = type.IsStatic,
            IsAbstract = type.IsAbstract && !type.IsStatic,
            IsFileLocal = type.IsFileLocal,
            IsGeneric = type.IsGenericType,
            ContainingType = type.ContainingType?.Name,
            BaseClass = OwnBaseClass(type),
            ClashingMembers = Clashing(type).Select(static m => m.Name).Distinct().ToEquatableArray(),
            OldLanguageVersion = OldLanguageVersion(compilation),
            MissingRuntimeType = RuntimeTypes.FirstOrDefault(name => compilation.GetTypesByMetadataName(name).Length != 1),
        };
    }

    /// <summary>The parts that the user wrote.</summary>
    public static IEnumerable<TypeDeclarationSyntax> Declarations(INamedTypeSymbol type, CancellationToken cancellation) =>
        type.DeclaringSyntaxReferences
            .Where(static reference => !IsGenerated(reference.SyntaxTree))
            .Select(reference => reference.GetSyntax(cancellation))
            .OfType<TypeDeclarationSyntax>();

    /// <summary>Members that the user wrote and the generated part needs the names of.</summary>
    public static IEnumerable<ISymbol> Clashing(INamedTypeSymbol type) => type.GetMembers().Where(static member =>
        !member.IsImplicitlyDeclared
        && GeneratedNames.IsTaken(member.Name)
        && member.DeclaringSyntaxReferences.Any(static reference => !IsGenerated(reference.SyntaxTree)));

    private static bool IsGenerated(SyntaxTree tree) => tree.FilePath.Contains(typeof(DecoderGenerator).FullName);

    private static string? OwnBaseClass(INamedTypeSymbol type)
    {
        // A base that does not bind is an error of the compiler's already.
        if (type.BaseType is not { SpecialType: not SpecialType.System_Object, TypeKind: not TypeKind.Error } baseType)
            return null;
        var generated = baseType is { Name: "DecoderModel", Arity: 1, ContainingNamespace.Name: "ModGen" };
        return generated ? null : baseType.ToDisplayString(SymbolDisplayFormat.CSharpShortErrorMessageFormat);
    }

    private static string? OldLanguageVersion(Compilation compilation) =>
        compilation is CSharpCompilation { LanguageVersion: < LanguageVersion.CSharp12 and var version } ? version.ToDisplayString() : null;
}
