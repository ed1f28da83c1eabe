using System.Collections.Immutable;
using ModGen.Compiler.Spec;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

public sealed class NameTests
{
    [Fact]
    public void Every_name_that_is_declared_is_reserved()
    {
        var outcome = new UserProject(
            """
            [ModGen.Decoder(Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, Context = 32)]
            [ModGen.MixtureOfDepths(Capacity = 0.125, Predictor = 8)]
            public partial class M;
            """).Build();
        var members = outcome.Compilation.GetTypeByMetadataName("M")!.GetMembers().Where(m => m.CanBeReferencedByName).Select(m => m.Name).ToArray();
        Assert.Contains("CreateTrainingProgram", members);
        Assert.All(members, name => Assert.True(GeneratedNames.IsTaken(name) && GeneratedNames.IsTakenForClass(name), $"{name} is not reserved."));
    }

    [Fact]
    public void Files_are_named_after_their_class() => Assert.Equal("A.B.M", HintNames.Prefix("A.B.M", Compiler.EquatableArray<string>.Empty));

    [Fact]
    public void Names_that_differ_in_case_are_told_apart()
    {
        var ambiguous = HintNames.Ambiguous(["A.M", "A.m", "B.M"]);
        Assert.Equal(["A.M", "A.m"], ambiguous);
        Assert.NotEqual(HintNames.Prefix("A.M", ambiguous), HintNames.Prefix("A.m", ambiguous), StringComparer.OrdinalIgnoreCase);
        Assert.Equal("B.M", HintNames.Prefix("B.M", ambiguous));
    }

    [Fact]
    public void Long_names_fit_a_file_system_and_stay_apart()
    {
        var names = ImmutableArray.Create(new string('模', 300), new string('模', 301), new string('M', 161), new string('M', 162));
        var prefixes = names.Select(name => HintNames.Prefix(name, Compiler.EquatableArray<string>.Empty)).ToArray();
        Assert.Equal(4, prefixes.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.All(prefixes, prefix => Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(prefix + ".Inference.g.cs"), 1, 255));
    }

    [Theory]
    [InlineData("class", "@class")]
    [InlineData("record", "@record")]
    [InlineData("ApiDocs", "ApiDocs")]
    public void Keywords_are_escaped(string name, string written) => Assert.Equal(written, CSharpIdentifier.Escape(name));
}
