using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

/// <summary>Projects that are legal and unkind: what they declare must still compile, cleanly.</summary>
public sealed partial class HostileProjectTests
{
    private const string Sizes = "Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, Context = 32";
    private const string Depths = "ModGen.MixtureOfDepths(Capacity = 0.125, Predictor = 8, AuxiliaryWeight = 0.02)";

    public static TheoryData<string, string[]> Legal => new()
    {
        { "global namespace", [$"[ModGen.Decoder({Sizes})] public partial class M;"] },
        { "internal by default", [$"[ModGen.Decoder({Sizes})] partial class M;"] },
        { "sealed", [$"[ModGen.Decoder({Sizes})] public sealed partial class M;"] },
        { "keyword as class", [$"namespace A; [ModGen.Decoder({Sizes})] [{Depths}] public partial class @class;"] },
        { "contextual keywords", [$"namespace A.@record.@async; [ModGen.Decoder({Sizes})] [{Depths}] public partial class @await; [ModGen.Decoder({Sizes})] public partial class @dynamic; [ModGen.Decoder({Sizes})] public partial class @record;"] },
        { "keyword as namespace", [$"namespace @namespace.@in; [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "unicode", [$"namespace Größe.模型; [ModGen.Decoder({Sizes})] [{Depths}] public partial class Übersetzer_Ωμέγα;"] },
        { "escapes in the name", [$"[ModGen.Decoder({Sizes})] public partial class \\u0041bc;"] },
        { "same names in different namespaces", [$"namespace A {{ [ModGen.Decoder({Sizes})] public partial class M; }} namespace B {{ [ModGen.Decoder({Sizes})] [{Depths}] public partial class M; }} namespace A.B {{ [ModGen.Decoder({Sizes})] public partial class M; }}"] },
        { "names that differ in case", [$"[ModGen.Decoder({Sizes})] public partial class Model; [ModGen.Decoder({Sizes})] public partial class MODEL; [ModGen.Decoder({Sizes})] public partial class model_;"] },
        { "namespace named as a file", [$"namespace M.Training {{ [ModGen.Decoder({Sizes})] public partial class Model; }} namespace M {{ [ModGen.Decoder({Sizes})] public partial class Model; }}"] },
        { "long name", [$"namespace {string.Join('.', Enumerable.Repeat("Quite.Long", 30))}; [ModGen.Decoder({Sizes})] public partial class {new string('M', 400)}; [ModGen.Decoder({Sizes})] public partial class {new string('M', 401)};"] },
        { "class named as its namespace", [$"namespace M; [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "names of the runtime", [$"namespace A; {string.Join(' ', RuntimeNames.Select(name => $"internal class {name} {{ }}"))} [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "names of the runtime, globally", [$"{string.Join(' ', RuntimeNames.Where(name => name != "System").Select(name => $"internal class {name} {{ }}"))} [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "model named as the runtime's types", [$"namespace A; {string.Join(' ', RuntimeNames.Select(name => $"[ModGen.Decoder({Sizes})] [{Depths}] public partial class {name};"))}"] },
        { "namespace inside the runtime's", [$"namespace ModGen.Mine; [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "namespaces that hide the runtime's", [$"namespace A.ModGen {{ internal class Device {{ }} }} namespace A.System {{ internal class Span {{ }} }} namespace A {{ [global::ModGen.Decoder({Sizes})] public partial class M; }}"] },
        { "parts in several files", [$"[ModGen.Decoder({Sizes})] public partial class M;", $"[{Depths}] public partial class M;", "public partial class M { public int Answer => 42; }"] },
        { "interfaces", [$"[ModGen.Decoder({Sizes})] public partial class M : System.IFormattable {{ public string ToString(string? format, System.IFormatProvider? provider) => \"\"; }}"] },
        { "its own base, said by the user", [$"[ModGen.Decoder({Sizes})] public partial class M : ModGen.DecoderModel<M>;"] },
        { "other attributes", [$"[System.Obsolete, System.Serializable] [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "aliases", ["using D = ModGen.DecoderAttribute; [D(Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, Context = 32)] public partial class M;"] },
        { "global alias", ["global using D = ModGen.DecoderAttribute;", $"[D({Sizes})] public partial class M;"] },
        { "constant expressions", ["internal static class C { public const int N = 64; } [ModGen.Decoder(Vocabulary = 1 << 8, Width = C.N, Layers = sizeof(int), Heads = 'a' - 93, Context = C.N / 2)] public partial class M;"] },
        { "nullable off", [$"#nullable disable\n[ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "tied head, tokens, listed layers", [$"[ModGen.Decoder({Sizes}, TiedHead = true)] [ModGen.MixtureOfDepths(Tokens = 5, Layers = [0, 3], Gate = ModGen.Gate.Tanh)] public partial class M;"] },
        { "CRLF", [$"using ModGen;\r\n\r\n/// <summary>\r\n/// Text.\r\n/// </summary>\r\n[Decoder({Sizes})]\r\n[{Depths}]\r\npublic partial class M;\r\n"] },
        { "enormous", ["[ModGen.Decoder(Vocabulary = 128000, Width = 16384, Layers = 1024, Heads = 128, KeyValueHeads = 8, FeedForward = 53248, Context = 16384, RotaryBase = 1e12)] [ModGen.MixtureOfDepths(Tokens = 16383, Predictor = 65536)] public partial class M; internal static class P { public const long Enough = 1 / (M.Info.Parameters > 3000000000000 ? 1 : 0) + 1 / (M.Info.ActivationBytesPerSequence > 10000000000000 ? 1 : 0); }"] },
        { "smallest", ["[ModGen.Decoder(Vocabulary = 2, Width = 2, Layers = 1, Heads = 1, FeedForward = 1, Context = 2)] [ModGen.MixtureOfDepths(Tokens = 1, First = 0, Predictor = 1)] public partial class M;"] },
        { "members that hide inherited ones", [$"[ModGen.Decoder({Sizes})] [{Depths}] public partial class M {{ private new int Weights => 1; private new int Parameters => 2; private new int Description => 3; private int Batch, Workers, Activations, Gradients; private void Floats() => Batch = Workers = Activations = Gradients = Batch + Weights + Parameters + Description; }}"] },
        { "aliases of the runtime's names", ["global using Device = System.String; global using Arena = System.Int32;", $"namespace A; [ModGen.Decoder({Sizes})] [{Depths}] public partial class M;"] },
        { "a file that calls itself generated", [$"// <auto-generated/>\n#nullable enable\n[ModGen.Decoder({Sizes})] public partial class M;"] },
    };

    private static readonly string[] RuntimeNames =
    [
        "Device", "CpuDevice", "Arena", "Parameter", "ParameterTable", "Initialization", "ModelDescription", "LayerDescription", "DecoderModel",
        "TrainingProgram", "InferenceProgram", "CpuTrainingProgram", "CpuWorkers", "Trainer", "Sampler", "Linear", "Span", "ReadOnlySpan", "Math",
        "System", "Cpu", "Runtime", "Programs",
    ];

    [Theory]
    [MemberData(nameof(Legal))]
    public void Compiles_without_a_word(string what, string[] sources)
    {
        var outcome = new UserProject([.. sources]).Build();
        Assert.False(string.IsNullOrEmpty(what));
        Assert.NotEmpty(outcome.Generated);
        outcome.AssertClean();
    }

    [Fact]
    public void Settings_of_the_project_do_not_matter()
    {
        var plain = new UserProject($"[ModGen.Decoder({Sizes})] [{Depths}] public partial class M;");
        var strange = plain with { Nullable = NullableContextOptions.Disable, Checked = true };
        var outcome = strange.Build();
        outcome.AssertClean();
        Assert.Equal(plain.Build().Generated, outcome.Generated);
    }

    [Theory]
    [InlineData("tr-TR")]
    [InlineData("ar-SA")]
    [InlineData("fr-FR")]
    [InlineData("fa-IR")]
    public void Text_does_not_depend_on_the_culture(string culture)
    {
        var project = new UserProject(
            $"[ModGen.Decoder({Sizes}, RotaryBase = 12345.5, NormEpsilon = 1.5e-6)] [{Depths}] public partial class Istanbul;",
            "[ModGen.Decoder(Vocabulary = -256, Width = 64, Layers = 4, Heads = 4, Context = 32, NormEpsilon = 1.5)] public partial class Wrong;");
        var expected = Texts(project);
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = new CultureInfo(culture);
            Assert.Equal(expected, Texts(project));
        }
        finally
        {
            CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = before;
        }
    }

    private static string[] Texts(UserProject project)
    {
        var outcome = project.Build();
        return [.. outcome.Generated.Select(g => g.HintName + g.Text), .. outcome.Problems.Select(p => p.GetMessage(CultureInfo.InvariantCulture))];
    }

    [Fact]
    public void Line_ends_of_the_source_do_not_matter()
    {
        var source = $"using ModGen;\n\n[Decoder({Sizes})]\n[{Depths}]\npublic partial class M;\n";
        var unix = new UserProject(source).Build();
        var windows = new UserProject(source.Replace("\n", "\r\n", StringComparison.Ordinal)).Build();
        Assert.Equal(unix.Generated, windows.Generated);
        Assert.All(windows.Generated, file => Assert.DoesNotContain('\r', file.Text));
    }

    [Fact]
    public void Two_runs_write_the_same()
    {
        var project = new UserProject($"[ModGen.Decoder({Sizes})] [{Depths}] public partial class M;");
        Assert.Equal(project.Build().Generated, project.Build().Generated);
    }
}
