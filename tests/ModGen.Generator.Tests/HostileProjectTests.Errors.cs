using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

/// <content>Projects with errors, ours and the compiler's: each is told once, and stops nothing else.</content>
public sealed partial class HostileProjectTests
{
    [Fact]
    public void Invalid_classes_side_by_side_do_not_stop_the_others()
    {
        var outcome = new UserProject(
            $"[ModGen.Decoder({Sizes})] file partial class M;",
            $"[ModGen.Decoder({Sizes})] file partial class M;",
            $"[ModGen.Decoder({Sizes})] public partial class Good;",
            $"[ModGen.Decoder({Sizes})] public partial class Good<T>; public static class Good2 {{ [ModGen.Decoder({Sizes})] public partial class Good; }}").Build();
        Assert.Equal(["MODGEN002", "MODGEN002", "MODGEN002", "MODGEN002"], outcome.Problems.Select(p => p.Id));
        Assert.All(outcome.Generated, file => Assert.StartsWith("Good.", file.HintName, StringComparison.Ordinal));
        Assert.NotEmpty(outcome.Generated);
    }

    [Theory]
    [InlineData("Width = \"wide\"", "CS0029")]
    [InlineData("Width = Unknown", "CS0103")]
    [InlineData("Depth = 64", "CS0246")]
    [InlineData("Width = 64L", "CS0266")]
    [InlineData("Width = 64, Width = 32", "CS0643")]
    [InlineData("Width = Environment.TickCount", "CS0103")]
    [InlineData("256", "CS1729")]
    public void What_the_compiler_says_is_not_said_again(string argument, string error)
    {
        var outcome = new UserProject($"[ModGen.Decoder(Vocabulary = 256, {argument}, Layers = 4, Heads = 4, Context = 32)] public partial class M;".Replace("Vocabulary = 256, 256,", "256, Vocabulary = 256,", StringComparison.Ordinal)).Build();
        Assert.Contains(error, outcome.Problems.Select(p => p.Id));
        Assert.DoesNotContain(outcome.Problems, p => p.Id.StartsWith("MODGEN", StringComparison.Ordinal) || p.Id == "AD0001" || p.Id == "CS8785");
    }

    [Fact]
    public void A_base_that_does_not_exist_is_one_error()
    {
        var outcome = new UserProject($"[ModGen.Decoder({Sizes})] public partial class M : Unknown;").Build();
        Assert.Equal(["CS0246"], outcome.Problems.Select(p => p.Id));
    }

    [Theory]
    [InlineData("public partial struct M;", "CS0592")]
    [InlineData("public partial record struct M;", "CS0592")]
    [InlineData("public partial interface M;", "CS0592")]
    [InlineData("public enum M;", "CS0592")]
    public void On_anything_but_a_class_the_attribute_is_the_error(string declaration, string error)
    {
        var outcome = new UserProject($"[ModGen.Decoder({Sizes})] {declaration}").Build();
        Assert.Equal([error], outcome.Problems.Select(p => p.Id).Where(id => id != "CS1513" && id != "CS1514"));
        Assert.Empty(outcome.Generated);
    }

    [Fact]
    public void Twice_the_attribute_is_one_class()
    {
        var outcome = new UserProject($"[ModGen.Decoder({Sizes})] public partial class M;", $"[ModGen.Decoder({Sizes})] public partial class M;").Build();
        Assert.Equal(["CS0579"], outcome.Problems.Select(p => p.Id));
    }

    [Fact]
    public void Another_attribute_of_the_name_is_not_ours()
    {
        var outcome = new UserProject(
            "namespace Mine { public sealed class DecoderAttribute : System.Attribute { public int Width { get; set; } } }",
            "[Mine.Decoder(Width = 3)] public class M;").Build();
        outcome.AssertClean();
        Assert.Empty(outcome.Generated);
    }

    [Theory]
    [InlineData(LanguageVersion.CSharp7_3)]
    [InlineData(LanguageVersion.CSharp11)]
    public void An_old_language_is_named(LanguageVersion version)
    {
        var outcome = new UserProject($"[ModGen.Decoder({Sizes})] public partial class M {{ }}")
        {
            LanguageVersion = version,
            Nullable = NullableContextOptions.Disable,
        }.Build();
        var problem = Assert.Single(outcome.Problems);
        Assert.Equal("MODGEN004", problem.Id);
        Assert.Contains(version.ToDisplayString(), problem.GetMessage(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Assert.Equal("ModGen.Decoder", problem.Location.SourceTree!.ToString().Substring(problem.Location.SourceSpan.Start, problem.Location.SourceSpan.Length));
    }

    [Theory]
    [InlineData(LanguageVersion.CSharp12)]
    [InlineData(LanguageVersion.CSharp13)]
    [InlineData(LanguageVersion.Preview)]
    public void The_oldest_language_that_is_allowed_compiles(LanguageVersion version) =>
        new UserProject(
            $"[ModGen.Decoder({Sizes})] [{Depths}] public partial class M;",
            $"[ModGen.Decoder({Sizes})] [ModGen.MixtureOfDepths(Tokens = 5, Routing = ModGen.Routing.Random)] public partial class R;")
        { LanguageVersion = version }.Build().AssertClean();

    public static TheoryData<string, MetadataReference[]> Runtimes => new()
    {
        { "ModGen.Cpu.CpuWorkers", [UserProject.Runtime] },
        { "ModGen.Cuda.Kernel", [UserProject.Runtime, UserProject.Kernels] },
        { "ModGen.Cpu.CpuWorkers", [UserProject.Runtime, UserProject.Kernels, UserProject.Gpu, Another("namespace ModGen.Cpu; public class CpuWorkers;")] },
    };

    [Theory]
    [MemberData(nameof(Runtimes))]
    public void A_runtime_that_is_not_there_once_is_named(string type, MetadataReference[] references)
    {
        var outcome = new UserProject($"[ModGen.Decoder({Sizes})] public partial class M;") { References = [.. references] }.Build();
        var problem = Assert.Single(outcome.Problems);
        Assert.Equal("MODGEN005", problem.Id);
        Assert.Contains($"'{type}'", problem.GetMessage(CultureInfo.InvariantCulture), StringComparison.Ordinal);
    }

    private static CompilationReference Another(string source) =>
        new UserProject(source) { References = [] }.Compilation().WithAssemblyName("Another").ToMetadataReference();

    [Fact]
    public void A_defect_of_the_compiler_is_a_diagnostic_and_stops_nobody_else()
    {
        var outcome = new UserProject(
            $"[ModGen.Decoder({Sizes})] public partial class M;",
            $"[ModGen.Decoder({Sizes})] public partial class Good;",
            "internal static class P { private static int Main() => Good.Width + M.Width + (M.Create(ModGen.Device.Default) is ModGen.DecoderModel<M> ? 1 : 0); }")
        {
            Generator = new(spec => spec.Type.Name == "M" ? throw new InvalidOperationException("Out of\nluck.") : Compiler.DecoderCompiler.Compile(spec)),
        }.Build();
        var problem = Assert.Single(outcome.Problems);
        Assert.Equal("MODGEN999", problem.Id);
        Assert.Contains("'M'", problem.GetMessage(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Assert.Contains("InvalidOperationException: Out of", problem.GetMessage(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Assert.Contains(outcome.Generated, file => file.HintName == "Good.Training.g.cs");
    }
}
