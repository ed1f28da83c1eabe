using Microsoft.CodeAnalysis;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Diagnostics;

// Diagnostics on the arguments of [Decoder], and ranges everywhere.
internal static partial class Descriptors
{
    public static readonly DiagnosticDescriptor Missing = new(
        SpecRules.Missing, "An argument of [Decoder] is missing",
        "[Decoder] needs Vocabulary, Width, Layers, Heads and Context; not given: {0}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.Missing + ".md", Fatal);

    public static readonly DiagnosticDescriptor OutOfRange = new(
        SpecRules.OutOfRange, "An argument is out of range",
        "{0} {1} is out of range; it must be {2}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.OutOfRange + ".md", Fatal);

    public static readonly DiagnosticDescriptor WidthNotDivisible = new(
        SpecRules.WidthNotDivisible, "Width is not divisible by Heads",
        "Width {0} is not divisible by Heads {1}; Width {2} would be, with heads of even width",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.WidthNotDivisible + ".md", Fatal);

    public static readonly DiagnosticDescriptor OddHeadWidth = new(
        SpecRules.OddHeadWidth, "The head width is odd",
        "{0} is odd, and the rotary embedding turns pairs of columns; {1} would do",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.OddHeadWidth + ".md", Fatal);

    public static readonly DiagnosticDescriptor KeyValueHeadsDoNotDivide = new(
        SpecRules.KeyValueHeadsDoNotDivide, "KeyValueHeads does not divide Heads",
        "KeyValueHeads {0} does not divide Heads {1}; {2} would",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.KeyValueHeadsDoNotDivide + ".md", Fatal);

    public static readonly DiagnosticDescriptor TooLarge = new(
        SpecRules.TooLarge, "A tensor has too many elements",
        "{0} has {1} elements, and a tensor holds at most 2147483647; make one of the factors smaller",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.TooLarge + ".md", Fatal);
}
