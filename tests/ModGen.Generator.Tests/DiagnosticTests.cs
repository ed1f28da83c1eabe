using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

public sealed class DiagnosticTests
{
    // What a program says of its model: none of it may be an error when the declaration is.
    private const string Usage =
        """
        internal static class Program
        {
            private const int Rows = 7 / M.Context * M.Vocabulary + M.Width / M.Heads + M.Layers + 5 / M.HeadWidth;

            private static string Main()
            {
                using var device = ModGen.Device.Default;
                using var model = M.Create(device, seed: 1);
                using var trainer = model.CreateTrainer(batch: 2, new ModGen.AdamW(LearningRate: 1e-3f));
                var corpus = ModGen.Corpus<M>.OpenText("some text");
                foreach (var batch in corpus.Batches(batch: 2, seed: 1))
                    _ = trainer.Step(batch).Loss;
                using var sampler = model.CreateSampler(batch: 1);
                return $"{Rows} {M.Info.Parameters} {Describe<M>()} {model.Parameters.Length} {M.KeyValueHeads} {M.HeadWidth} {M.FeedForward}";
            }

            private static string Describe<TModel>() where TModel : ModGen.DecoderModel<TModel>, ModGen.IDecoderModel<TModel> =>
                TModel.Description.Name;
        }
        """;

    // Classes that no second part could be written for.
    private static readonly string[] WithoutPart = ["static", "M⟧<T>", "record", "file", "Outer", "MemoryStream", "Context⟧", "@var", "⟦Create⟧", "⟦Width⟧ =>", "[⟦ModGen.MixtureOfDepths⟧(Capacity = 0.5)]"];

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, DiagnosticCases.All.Count)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void One_mistake_gives_one_error_at_its_place(int index)
    {
        var expected = DiagnosticCases.All[index];
        var usable = !WithoutPart.Any(part => expected.Marked.Contains(part, StringComparison.Ordinal));
        var outcome = new UserProject([expected.Source, .. usable ? [Usage] : Array.Empty<string>()]).Build();
        var problems = outcome.Problems.Where(p => p.Id != expected.Also && !(p.Id == "CS0169" || p.Id == "CS0414")).ToArray();

        var problem = Assert.Single(problems);
        Assert.Equal(expected.Id, problem.Id);
        Assert.Equal((expected.Start, expected.Length), (problem.Location.SourceSpan.Start, problem.Location.SourceSpan.Length));
        var message = problem.GetMessage(System.Globalization.CultureInfo.InvariantCulture);
        Assert.All(expected.Words, word => Assert.Contains(word, message, StringComparison.Ordinal));
        Assert.DoesNotContain('{', message);
    }

    [Fact]
    public void A_good_declaration_gives_none() => new UserProject(
        """
        [ModGen.Decoder(Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, Context = 32)]
        [ModGen.MixtureOfDepths(Capacity = 0.125)]
        public partial class M;
        """,
        Usage).Build().AssertClean();

    [Fact]
    public void What_stands_in_for_a_wrong_declaration_has_all_that_a_right_one_has()
    {
        static string[] Surface(string arguments)
        {
            var type = new UserProject($"[ModGen.Decoder({arguments}, Width = 64, Layers = 4, Heads = 4, Context = 32)] public partial class M;").Build()
                .Compilation.GetTypeByMetadataName("M")!;
            return
            [
                .. type.GetMembers().Concat(type.GetTypeMembers("Info").Single().GetMembers())
                    .Where(m => m.Name[0] != '.' && (m.DeclaredAccessibility != Microsoft.CodeAnalysis.Accessibility.Private || m.Name.Contains('.', StringComparison.Ordinal)))
                    .Select(m => m is Microsoft.CodeAnalysis.IFieldSymbol f ? $"{f.Type} {f.Name}" : m.ToDisplayString())
                    .Where(m => m != "ModGen.IDecoderModel<M>.Create(ModGen.Device, ulong)" && !m.StartsWith("M.ModGen.IDecoderModel<M>.Create", StringComparison.Ordinal))
                    .Order(StringComparer.Ordinal),
            ];
        }

        Assert.Equal(Surface("Vocabulary = 256"), Surface("Vocabulary = 1"));
    }
}
