using Microsoft.CodeAnalysis;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Diagnostics;

// Diagnostics on what surrounds the attributes: the class and its project.
internal static partial class Descriptors
{
    public static readonly DiagnosticDescriptor NotPartial = new(
        SpecRules.NotPartial, "A model class must be partial",
        "'{0}' is not partial, and the generated code is its other part; add 'partial'",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.NotPartial + ".md", Fatal);

    public static readonly DiagnosticDescriptor UnsuitableClass = new(
        SpecRules.UnsuitableClass, "A model must be a plain top-level class",
        "'{0}' is {1}, and cannot be a model; {2}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.UnsuitableClass + ".md", Fatal);

    public static readonly DiagnosticDescriptor OwnBaseClass = new(
        SpecRules.OwnBaseClass, "A model class has no base class of its own",
        "'{0}' derives from '{1}', and a model derives from DecoderModel<{0}>, which the generated part says; remove the base class",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.OwnBaseClass + ".md", Fatal);

    public static readonly DiagnosticDescriptor OldLanguageVersion = new(
        SpecRules.OldLanguageVersion, "Generated code needs a newer C#",
        "The project compiles as C# {0}, and generated code needs C# {1}; set LangVersion to {1} or newer",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.OldLanguageVersion + ".md", Fatal);

    public static readonly DiagnosticDescriptor MissingRuntime = new(
        SpecRules.MissingRuntime, "ModGen's runtime is not referenced",
        "Generated code calls '{0}', which no reference of the project has exactly once; reference one and the same version of ModGen, ModGen.Cpu and ModGen.Cuda",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.MissingRuntime + ".md", Fatal);

    public static readonly DiagnosticDescriptor NameClash = new(
        SpecRules.NameClash, "The generated part needs this name",
        "{0} has a name that the generated part needs; rename it",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.NameClash + ".md", Fatal);
}
