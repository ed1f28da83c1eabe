using System.Reflection;
using ModGen.Compiler;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle.Tests;

/// <summary>Reads the specification of a built class back from its attributes.</summary>
internal static class SpecReader
{
    public static ModelSpec Read(Type type)
    {
        var depths = type.CustomAttributes.FirstOrDefault(a => a.AttributeType == typeof(MixtureOfDepthsAttribute));
        var declaration = new DecoderDeclaration(
            new TypeIdentity(type.Namespace!, type.Name, "public"),
            ClassFacts.Suitable,
            Decoder(type.CustomAttributes.Single(a => a.AttributeType == typeof(DecoderAttribute))),
            depths is null ? null : MixtureOfDepths(depths));
        return Valid(declaration);
    }

    /// <summary>The specification of a declaration that is meant to be valid.</summary>
    public static ModelSpec Valid(DecoderDeclaration declaration)
    {
        var result = SpecValidator.Validate(declaration);
        return result.Spec ?? throw new InvalidOperationException($"{declaration}: {string.Join("; ", result.Problems)}");
    }

    private static DecoderArguments Decoder(CustomAttributeData data) => new()
    {
        Vocabulary = Value<int>(data, "Vocabulary"),
        Width = Value<int>(data, "Width"),
        Layers = Value<int>(data, "Layers"),
        Heads = Value<int>(data, "Heads"),
        KeyValueHeads = Value<int>(data, "KeyValueHeads"),
        HeadWidth = Value<int>(data, "HeadWidth"),
        FeedForward = Value<int>(data, "FeedForward"),
        Context = Value<int>(data, "Context"),
        TiedHead = Value<bool>(data, "TiedHead"),
        RotaryBase = Value<double>(data, "RotaryBase"),
        NormEpsilon = Value<double>(data, "NormEpsilon"),
    };

    private static MixtureOfDepthsArguments MixtureOfDepths(CustomAttributeData data) => new()
    {
        Capacity = Value<double>(data, "Capacity"),
        Tokens = Value<int>(data, "Tokens"),
        Every = Value<int>(data, "Every"),
        First = Value<int>(data, "First"),
        Layers = Argument(data, "Layers") is IEnumerable<CustomAttributeTypedArgument> layers
            ? layers.Select(l => (int)l.Value!).ToEquatableArray()
            : null,
        Routing = Value<int>(data, "Routing"),
        Gate = Value<int>(data, "Gate"),
        AuxiliaryWeight = Value<double>(data, "AuxiliaryWeight"),
        Predictor = Value<int>(data, "Predictor"),
    };

    private static T? Value<T>(CustomAttributeData data, string name) where T : struct => Argument(data, name) is { } value ? (T)value : null;

    private static object? Argument(CustomAttributeData data, string name) =>
        data.NamedArguments.FirstOrDefault(a => a.MemberName == name) is { MemberInfo: not null } argument ? argument.TypedValue.Value : null;
}
