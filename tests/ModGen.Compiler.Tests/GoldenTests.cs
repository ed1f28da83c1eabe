using System.Reflection;
using ModGen.Compiler.Spec;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>
/// The emitted files of three models, kept in the repository: whoever changes the compiler sees what that does to its
/// output. Run with MODGEN_REWRITE_GOLDEN=1 to accept a change, and read the difference.
/// </summary>
public sealed class GoldenTests
{
    private static readonly string Folder = Path.Combine(
        typeof(GoldenTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "ProjectFolder").Value!, "Golden");

    private static readonly Dictionary<string, ModelSpec> Models = new()
    {
        ["Dense"] = Named("Dense", BlockSpec.Dense, BlockSpec.Dense, BlockSpec.Dense, BlockSpec.Dense) with { KeyValueHeads = 2 },
        ["Routed"] = Named("Routed", BlockSpec.Dense, TestSpec.Routed(16, auxiliary: 0.01), BlockSpec.Dense, TestSpec.Routed(16, auxiliary: 0.01)),
        ["Everything"] = Named(
            "Everything", TestSpec.Routed(32, GateKind.Sigmoid, predictor: 16), TestSpec.Routed(16, GateKind.Tanh, auxiliary: 0.5, predictor: 8), TestSpec.RandomlyRouted(8))
            with { TiedHead = true },
    };

    public static TheoryData<string> Names => [.. Models.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void EmittedFilesAreAsTheyWere(string name)
    {
        foreach (var file in DecoderCompiler.Compile(Models[name]).Files)
        {
            var path = Path.Combine(Folder, $"{name}.{file.Name}.g.cs");
            if (Environment.GetEnvironmentVariable("MODGEN_REWRITE_GOLDEN") == "1")
            {
                Directory.CreateDirectory(Folder);
                File.WriteAllText(path, file.Text);
                continue;
            }

            Assert.True(File.Exists(path), $"{path} is missing; run with MODGEN_REWRITE_GOLDEN=1 to write it.");
            Assert.Equal(File.ReadAllText(path).ReplaceLineEndings("\n"), file.Text);
        }
    }

    private static ModelSpec Named(string name, params BlockSpec[] blocks) => new(
        new TypeIdentity("Golden", name, "public"),
        Vocabulary: 256, Width: 64, Heads: 4, KeyValueHeads: 4, HeadWidth: 16, FeedForward: 192, Context: 128,
        TiedHead: false, RotaryBase: 10000, NormEpsilon: 1e-5, blocks.ToEquatableArray());
}
