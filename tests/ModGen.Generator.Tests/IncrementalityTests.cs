using System.Collections;
using System.Collections.Immutable;
using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

public sealed class IncrementalityTests
{
    private static readonly string[] Sources = [.. Enumerable.Range(0, 20).Select(i => Model(i, width: 64))];

    [Fact]
    public void A_comment_leaves_the_spec_unchanged_and_the_output_cached()
    {
        var after = Rerun(edited: "// A comment that moves everything down.\n" + Sources[7], at: 7);

        Assert.Equal(Enumerable.Repeat(IncrementalStepRunReason.Unchanged, 20), Reasons(after, DecoderGenerator.SpecStep));
        Assert.All(Reasons(after, DecoderGenerator.CompileStep), r => Assert.Equal(IncrementalStepRunReason.Cached, r));
        Assert.Equal(20, OutputReasons(after).Length);
        Assert.All(OutputReasons(after), r => Assert.Equal(IncrementalStepRunReason.Cached, r));
    }

    [Fact]
    public void An_edit_of_one_model_of_twenty_compiles_one()
    {
        var after = Rerun(edited: Model(7, width: 128), at: 7);

        Assert.Equal(1, Reasons(after, DecoderGenerator.SpecStep).Count(r => r == IncrementalStepRunReason.Modified));
        Assert.Equal(1, Reasons(after, DecoderGenerator.CompileStep).Count(r => r == IncrementalStepRunReason.Modified));
        Assert.Equal(19, Reasons(after, DecoderGenerator.CompileStep).Count(r => r == IncrementalStepRunReason.Cached));
        Assert.Equal(1, OutputReasons(after).Count(r => r == IncrementalStepRunReason.Modified));
        Assert.Equal(19, OutputReasons(after).Count(r => r == IncrementalStepRunReason.Cached));
    }

    [Fact]
    public void Another_file_changes_nothing()
    {
        var project = new UserProject([.. Sources]);
        var first = project.Compilation();
        var driver = project.Driver().RunGenerators(first, Cancellation);
        var more = first.AddSyntaxTrees(CSharpSyntaxTree.ParseText("internal static class Other;", project.ParseOptions, cancellationToken: Cancellation));
        var after = driver.RunGenerators(more, Cancellation).GetRunResult().Results.Single();

        Assert.All(Reasons(after, DecoderGenerator.CompileStep), r => Assert.Equal(IncrementalStepRunReason.Cached, r));
        Assert.All(OutputReasons(after), r => Assert.Equal(IncrementalStepRunReason.Cached, r));
    }

    [Fact]
    public void A_routing_attribute_on_another_part_is_seen()
    {
        const string Parted = "[ModGen.MixtureOfDepths(Capacity = 0.5)] public partial class M7;";
        var project = new UserProject([.. Sources]);
        var first = project.Compilation();
        var driver = project.Driver().RunGenerators(first, Cancellation);
        var more = first.AddSyntaxTrees(CSharpSyntaxTree.ParseText(Parted, project.ParseOptions, cancellationToken: Cancellation));
        var after = driver.RunGenerators(more, Cancellation).GetRunResult().Results.Single();

        Assert.Equal(1, Reasons(after, DecoderGenerator.SpecStep).Count(r => r == IncrementalStepRunReason.Modified));
        Assert.Equal(19, OutputReasons(after).Count(r => r == IncrementalStepRunReason.Cached));
    }

    [Fact]
    public void Nothing_of_Roslyn_is_kept_between_runs()
    {
        // An invalid declaration too: its outline is a value like any other.
        var project = new UserProject([.. Sources, "[ModGen.Decoder(Vocabulary = 1)] public partial class Wrong;"]);
        var result = project.Driver().RunGenerators(project.Compilation(), Cancellation).GetRunResult().Results.Single();
        var named = new[] { DecoderGenerator.SpecStep, DecoderGenerator.CompileStep, DecoderGenerator.NamesStep };
        var values = named.SelectMany(step => result.TrackedSteps[step]).SelectMany(step => step.Outputs).Select(output => output.Value).ToArray();

        Assert.Equal(21 + 21 + 1, values.Length);
        var visited = new HashSet<object>(ReferenceEqualityComparer.Instance);
        foreach (var value in values)
            AssertPlain(value, visited);
        Assert.True(visited.Count > values.Length, "The walk saw no more than the values themselves.");
    }

    private static void AssertPlain(object? node, HashSet<object> visited)
    {
        if (node is null || !visited.Add(node))
            return;
        Assert.False(
            node is ISymbol or SyntaxNode or SyntaxTree or SyntaxReference or Location or Compilation or SemanticModel or AttributeData or SourceText or Delegate,
            $"A {node.GetType()} is kept.");
        if (node is string || node.GetType().IsPrimitive || node.GetType().IsEnum)
            return;
        Assert.False(node.GetType().Namespace?.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal) == true, $"A {node.GetType()} is kept.");
        if (node is IEnumerable items)
            foreach (var item in items)
                AssertPlain(item, visited);
        for (var type = node.GetType(); type is not null; type = type.BaseType)
            foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                AssertPlain(field.GetValue(node), visited);
    }

    private static GeneratorRunResult Rerun(string edited, int at)
    {
        var project = new UserProject([.. Sources]);
        var first = project.Compilation();
        var driver = project.Driver().RunGenerators(first, Cancellation);
        var tree = first.SyntaxTrees[at];
        var second = first.ReplaceSyntaxTree(tree, tree.WithChangedText(SourceText.From(edited)));
        return driver.RunGenerators(second, Cancellation).GetRunResult().Results.Single();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static ImmutableArray<IncrementalStepRunReason> Reasons(GeneratorRunResult result, string step) =>
        [.. result.TrackedSteps[step].SelectMany(run => run.Outputs).Select(output => output.Reason)];

    private static ImmutableArray<IncrementalStepRunReason> OutputReasons(GeneratorRunResult result) =>
        [.. result.TrackedOutputSteps.SelectMany(step => step.Value).SelectMany(run => run.Outputs).Select(output => output.Reason)];

    private static string Model(int index, int width) =>
        $"[ModGen.Decoder(Vocabulary = 256, Width = {width}, Layers = 2, Heads = 4, Context = 32)]\npublic partial class M{index};\n";
}
