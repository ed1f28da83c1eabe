using ModGen.Compiler;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle.Tests;

/// <summary>Dense models are Llamas: ours open in transformers, and theirs load here.</summary>
public sealed class LlamaTests
{
    private static readonly ModelSpec Plain = TestSpec.Tiny(BlockSpec.Dense, BlockSpec.Dense) with
    {
        Type = new TypeIdentity("Exported", "Plain", "public"), Vocabulary = 40, Width = 24, Heads = 4, KeyValueHeads = 2, HeadWidth = 6, FeedForward = 56, Context = 16, RotaryBase = 10000,
    };

    private static readonly Dictionary<string, ModelSpec> Models = new()
    {
        ["plain"] = Plain,
        ["tied"] = Plain with { Type = Plain.Type with { Name = "Tied" }, TiedHead = true, KeyValueHeads = 4, NormEpsilon = 1e-6 },
        ["wide_heads"] = Plain with { Type = Plain.Type with { Name = "WideHeads" }, HeadWidth = 10, RotaryBase = 500000, Blocks = EquatableArray.Of(BlockSpec.Dense, BlockSpec.Dense, BlockSpec.Dense) },
    };

    public static TheoryData<string> Names => [.. Models.Keys];

    /// <summary>With MODGEN_EXPORT the folders stay, for tests/fixtures/check_llama_export.py.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void AnExportLoadsAgain(string name)
    {
        var kept = Environment.GetEnvironmentVariable("MODGEN_EXPORT");
        var folder = Path.Combine(kept ?? Directory.CreateTempSubdirectory("modgen").FullName, name);
        try
        {
            var emitted = EmittedModel.Of(Models[name]);
            using var model = emitted.Create(ModelParameters.Random(emitted.Graph, seed: 1));
            WeightsFile.Save(model, folder);
            var tokens = StepComparison.RandomBatch(emitted.Graph, 2, seed: 1).Tokens;
            var logits = Logits(model, tokens);
            Fixture.Write(
                Path.Combine(folder, "expected.safetensors"),
                ("tokens", [2, emitted.Spec.Context], Array.ConvertAll(tokens, t => (float)t)),
                ("logits", [2, emitted.Spec.Context, emitted.Spec.Vocabulary], logits));

            using var other = emitted.Create(ModelParameters.Zeros(emitted.Graph));
            WeightsFile.Load(other, folder);
            Assert.Equal(logits, Logits(other, tokens));
        }
        finally
        {
            if (kept is null)
                Directory.Delete(Path.GetDirectoryName(folder)!, recursive: true);
        }
    }

    [Fact]
    public void ACheckpointOfTheirsLoadsAndGivesTheirLogits()
    {
        using var expected = Fixture.Open(Path.Combine("llama", "expected.safetensors"), "check_llama_export.py");
        var emitted = EmittedModel.Of(Plain with { Type = Plain.Type with { Name = "Theirs" } });
        using var model = emitted.Create(ModelParameters.Zeros(emitted.Graph));
        WeightsFile.Load(model, Path.Combine(Fixture.Folder, "llama"));

        Close.Check(expected["logits"], Logits(model, expected.Integers("tokens")), 1e-4, "logits");
    }

    private static float[] Logits(DecoderModel model, int[] tokens)
    {
        using var program = model.CreateTrainingProgram(tokens.Length / model.Description.Context);
        var logits = new float[tokens.Length * model.Description.Vocabulary];
        program.Logits(tokens, logits, draw: 0);
        return logits;
    }
}
