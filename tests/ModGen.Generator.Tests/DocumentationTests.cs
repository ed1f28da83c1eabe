using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using ModGen.Compiler.Spec;
using ModGen.Generator.Diagnostics;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

/// <summary>Each id has a rule, a descriptor, a page and a case; and what the pages show is true.</summary>
public sealed partial class DocumentationTests
{
    internal static readonly string Root = FindRoot();

    // Ids of which no source file alone is an example.
    private static readonly string[] WithoutSource = [SpecRules.OldLanguageVersion, SpecRules.MissingRuntime, SpecRules.Internal];

    public static TheoryData<string> Ids =>
    [
        .. typeof(SpecRules).GetFields(BindingFlags.Public | BindingFlags.Static).Select(rule => (string)rule.GetRawConstantValue()!),
    ];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Each_id_is_described_tracked_and_tried(string id)
    {
        var descriptor = id == SpecRules.Internal
            ? Descriptors.Internal
            : new DecoderAnalyzer().SupportedDiagnostics.Single(d => d.Id == id);
        Assert.EndsWith($"docs/diagnostics/{id}.md", descriptor.HelpLinkUri, StringComparison.Ordinal);
        Assert.Equal(SpecRules.IsWarning(id), descriptor.DefaultSeverity == DiagnosticSeverity.Warning);

        var page = Page(id);
        Assert.StartsWith($"# {id}: {descriptor.Title}\n\n{descriptor.DefaultSeverity}.\n", page, StringComparison.Ordinal);
        Assert.Contains("## Cause", page, StringComparison.Ordinal);
        Assert.Contains("## Mend", page, StringComparison.Ordinal);
        Assert.Contains($"[{id}]({id}.md)", Page("README"), StringComparison.Ordinal);
        if (!WithoutSource.Contains(id))
            Assert.Contains(DiagnosticCases.All, c => c.Id == id);
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Each_page_shows_what_it_says(string id)
    {
        if (WithoutSource.Contains(id))
            return;
        var blocks = CodeBlock().Matches(Page(id)).Select(match => match.Groups[1].Value).ToArray();
        Assert.Equal(2, blocks.Length);
        var example = Build(blocks[0]).Problems.Select(p => p.Id).Where(p => p.StartsWith("MODGEN", StringComparison.Ordinal));
        Assert.Equal([id], example);
        Build(blocks[1]).AssertClean();
    }

    private static Outcome Build(string source) => new UserProject("global using ModGen;", source, "public abstract class ModelBase;").Build();

    private static string Page(string id) =>
        File.ReadAllText(Path.Combine(Root, "docs", "diagnostics", id + ".md")).ReplaceLineEndings("\n");

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ModGen.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException($"No ModGen.sln above {AppContext.BaseDirectory}.");
    }

    [GeneratedRegex("```csharp\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
