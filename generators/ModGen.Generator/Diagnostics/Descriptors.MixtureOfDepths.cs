using Microsoft.CodeAnalysis;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Diagnostics;

// Diagnostics on [MixtureOfDepths].
internal static partial class Descriptors
{
    public static readonly DiagnosticDescriptor NoDecoder = new(
        SpecRules.NoDecoder, "[MixtureOfDepths] without [Decoder]",
        "'{0}' has [MixtureOfDepths] and no [Decoder], so there is nothing to route; add [Decoder] or remove this",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.NoDecoder + ".md", Fatal);

    public static readonly DiagnosticDescriptor CapacityTwice = new(
        SpecRules.CapacityTwice, "Capacity and Tokens are both given",
        "Capacity and Tokens both say how many tokens enter; remove one",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.CapacityTwice + ".md", Fatal);

    public static readonly DiagnosticDescriptor NoCapacity = new(
        SpecRules.NoCapacity, "Neither Capacity nor Tokens is given",
        "[MixtureOfDepths] does not say how many tokens enter a routed block; give Capacity (a fraction, such as 0.125) or Tokens",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.NoCapacity + ".md", Fatal);

    public static readonly DiagnosticDescriptor LayersTwice = new(
        SpecRules.LayersTwice, "Layers is given beside Every or First",
        "{0} has no meaning beside Layers, which names the routed blocks; remove one",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.LayersTwice + ".md", Fatal);

    public static readonly DiagnosticDescriptor NoSuchLayer = new(
        SpecRules.NoSuchLayer, "Layers names a block that does not exist",
        "Layers names block {0}, and the blocks are 0 … {1}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.NoSuchLayer + ".md", Fatal);

    public static readonly DiagnosticDescriptor DuplicateLayer = new(
        SpecRules.DuplicateLayer, "Layers names a block twice",
        "Layers names block {0} twice; remove one",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.DuplicateLayer + ".md", Fatal);

    public static readonly DiagnosticDescriptor NothingRouted = new(
        SpecRules.NothingRouted, "No block is routed",
        "{0}, so that no block is routed; {1}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.NothingRouted + ".md", Fatal);

    public static readonly DiagnosticDescriptor RandomHasNoRouter = new(
        SpecRules.RandomHasNoRouter, "Random routing has no router",
        "{0} says what to do with a router's scores, and Routing.Random has none; remove {0}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.RandomHasNoRouter + ".md", Fatal);

    public static readonly DiagnosticDescriptor NoCausalDecision = new(
        SpecRules.NoCausalDecision, "Sampling has nothing trained to decide by",
        "AuxiliaryWeight is 0 and there is no Predictor: sampling will go by the sign of a router that was never trained to be a decision; give AuxiliaryWeight (such as 0.01) or Predictor (such as 64)",
        Category, DiagnosticSeverity.Warning, isEnabledByDefault: true, description: null, Pages + SpecRules.NoCausalDecision + ".md");

    public static readonly DiagnosticDescriptor UnknownValue = new(
        SpecRules.UnknownValue, "An enum argument has no such value",
        "{0} {1} is not a value of its type; use one of {2}",
        Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description: null, Pages + SpecRules.UnknownValue + ".md", Fatal);
}
