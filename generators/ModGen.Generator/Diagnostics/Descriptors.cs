using Microsoft.CodeAnalysis;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Diagnostics;

/// <summary>
/// The diagnostics: an id of <see cref="SpecRules"/>, a message with the numbers and the mend, and a page of documentation.
/// </summary>
internal static partial class Descriptors
{
    private const string Category = "ModGen";
    private const string Pages = "docs/diagnostics/";

    // An invalid declaration has no meaning, so its errors cannot be turned down.
    private const string Fatal = WellKnownDiagnosticTags.NotConfigurable;

    public static readonly DiagnosticDescriptor Internal = new(
        SpecRules.Internal, "ModGen failed",
        "ModGen failed to compile '{0}', which is a defect of ModGen's and not of the declaration; please report it: {1}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.Internal + ".md", Fatal);
}
