using System.Reflection;
using ModGen.Compiler.Spec;

namespace ModGen.Generator.Tests;

/// <summary>The attributes, the validator and the reference are three places that say the same.</summary>
public sealed class SpecReferenceTests
{
    private static readonly string[] Rows = File.ReadAllLines(Path.Combine(DocumentationTests.Root, "docs", "spec.md"));

    public static TheoryData<string> Arguments =>
    [
        .. new[] { typeof(DecoderAttribute), typeof(MixtureOfDepthsAttribute) }
            .SelectMany(type => type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Select(property => $"{property.DeclaringType!.Name}.{property.Name}"),
    ];

    [Theory]
    [MemberData(nameof(Arguments))]
    public void Each_argument_has_a_row_with_its_range(string argument)
    {
        var (attribute, name) = argument.Split('.') is [var a, var n] ? (a, n) : throw new ArgumentException(argument, nameof(argument));
        var section = Array.IndexOf(Rows, $"## [{attribute[..^"Attribute".Length]}]");
        Assert.True(section >= 0);
        var row = Assert.Single(Rows.Skip(section + 1).TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal)), line => line.StartsWith($"| `{name}` |", StringComparison.Ordinal));
        var limit = typeof(SpecLimits).GetField(name)?.GetRawConstantValue();
        // Heads, Context and Layers bound these in their place.
        if (limit is not null && argument != "MixtureOfDepthsAttribute.Layers")
            Assert.Contains(limit is double d && d >= 1e6 ? "1e12" : FormattableString.Invariant($"{limit}"), row, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Arguments))]
    public void Each_argument_is_read(string argument)
    {
        var (attribute, name) = argument.Split('.') is [var a, var n] ? (a, n) : throw new ArgumentException(argument, nameof(argument));
        var record = attribute == nameof(DecoderAttribute) ? typeof(DecoderArguments) : typeof(MixtureOfDepthsArguments);
        Assert.NotNull(record.GetProperty(name));
    }

    [Fact]
    public void Enums_have_the_numbers_that_the_compiler_reads()
    {
        Assert.Equal(Enum.GetNames<RoutingKind>(), Enum.GetNames<Routing>());
        Assert.Equal(["Identity", "Sigmoid", "Tanh", "One"], Enum.GetNames<GateKind>());
        Assert.Equal(["Identity", "Sigmoid", "Tanh"], Enum.GetNames<Gate>());
    }

    [Fact]
    public void Attribute_defaults_are_the_compilers()
    {
        Assert.Equal(SpecDefaults.RotaryBase, new DecoderAttribute().RotaryBase);
        Assert.Equal(SpecDefaults.NormEpsilon, new DecoderAttribute().NormEpsilon);
        Assert.Equal(SpecDefaults.Every, new MixtureOfDepthsAttribute().Every);
    }
}
