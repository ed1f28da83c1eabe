using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;
using ModGen.CodeFixes;
using ModGen.Generator.Diagnostics;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

public sealed class CodeFixTests
{
    private const string Sizes = "Vocabulary = 256, Width = 64, Layers = 4, Heads = 4, Context = 32";

    [Theory]
    [InlineData("internal class M;", "internal partial class M;")]
    [InlineData("/* why */ class M;", "/* why */ partial class M;")]
    [InlineData("public sealed class M;", "public sealed partial class M;")]
    public async Task A_class_becomes_partial(string before, string after) =>
        await AssertFixes($"[ModGen.Decoder({Sizes})] {before}", $"[ModGen.Decoder({Sizes})] {after}");

    [Theory]
    [InlineData("Width = 250, Heads = 8", "Width = 240, Heads = 8", "Width = 256, Heads = 8")]
    [InlineData("Width = 5, Heads = 8", "Width = 16, Heads = 8")]
    [InlineData("Width = 24, Heads = 8", "Width = 16, Heads = 8", "Width = 32, Heads = 8")]
    [InlineData("Width = 64, Heads = 8, HeadWidth = 31", "Width = 64, Heads = 8, HeadWidth = 30", "Width = 64, Heads = 8, HeadWidth = 32")]
    [InlineData("Width = 64, Heads = 8, KeyValueHeads = 3", "Width = 64, Heads = 8, KeyValueHeads = 2", "Width = 64, Heads = 8, KeyValueHeads = 4")]
    public async Task A_size_takes_a_value_that_fits(string before, params string[] after) =>
        await AssertFixes(Decoder(before), [.. after.Select(Decoder)]);

    [Theory]
    [InlineData("Capacity = 0.5, Tokens = 4", "Capacity = 0.5", "Tokens = 4")]
    [InlineData("Tokens = 4, Layers = new[] { 1 }, Every = 2", "Tokens = 4, Layers = new[] { 1 }", "Tokens = 4, Every = 2")]
    [InlineData("Tokens = 4, Routing = ModGen.Routing.Random, Predictor = 8", "Tokens = 4, Routing = ModGen.Routing.Random")]
    [InlineData("Tokens = 4, AuxiliaryWeight = 0", "Tokens = 4, AuxiliaryWeight = 0.01")]
    public async Task A_contradiction_is_resolved(string before, params string[] after) =>
        await AssertFixes(Depths(before), [.. after.Select(Depths)]);

    private static string Decoder(string sizes) => $"[ModGen.Decoder(Vocabulary = 256, {sizes}, Layers = 4, Context = 32)] public partial class M;";

    private static string Depths(string arguments) =>
        $"[ModGen.Decoder({Sizes})] [ModGen.MixtureOfDepths({arguments})] public partial class M;";

    /// <summary>The fixes give exactly these texts, in this order, and each is free of problems.</summary>
    private static async Task AssertFixes(string before, params string[] after)
    {
        using var workspace = new AdhocWorkspace();
        var project = new UserProject(before);
        var document = workspace.CurrentSolution
            .AddProject(ProjectInfo.Create(ProjectId.CreateNewId(), VersionStamp.Default, "User", "User", LanguageNames.CSharp)
                .WithMetadataReferences(project.Compilation().References)
                .WithParseOptions(project.ParseOptions)
                .WithCompilationOptions(project.Compilation().Options))
            .Projects.Single().AddDocument("File0.cs", SourceText.From(before));
        var cancellation = TestContext.Current.CancellationToken;
        var compilation = (await document.Project.GetCompilationAsync(cancellation))!;
        var analyzed = await compilation.WithAnalyzers([new DecoderAnalyzer()]).GetAnalyzerDiagnosticsAsync(cancellation);
        var diagnostic = Assert.Single(analyzed);
        CodeFixProvider provider = new CodeFixProvider[] { new AddPartialFix(), new ArgumentFix() }.Single(p => p.FixableDiagnosticIds.Contains(diagnostic.Id));
        var actions = new List<CodeAction>();
        await provider.RegisterCodeFixesAsync(new(document, diagnostic, (action, _) => actions.Add(action), cancellation));

        var texts = new List<string>();
        foreach (var action in actions)
        {
            var change = (await action.GetOperationsAsync(cancellation)).OfType<ApplyChangesOperation>().Single();
            texts.Add((await change.ChangedSolution.GetDocument(document.Id)!.GetTextAsync(cancellation)).ToString());
        }
        Assert.Equal(after, texts);
        Assert.All(texts, text => new UserProject(text).Build().AssertClean());
    }
}
