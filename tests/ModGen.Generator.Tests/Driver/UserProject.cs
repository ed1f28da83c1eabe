using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;
using ModGen.Generator.Diagnostics;

namespace ModGen.Generator.Tests.Driver;

/// <summary>A user's project in memory: its files, its settings, and what the compiler says with generator and analyzer on.</summary>
internal sealed record UserProject(params ImmutableArray<string> Sources)
{
    private static readonly ImmutableArray<MetadataReference> Framework = FrameworkReferences();

    public static MetadataReference Runtime { get; } = MetadataReference.CreateFromFile(typeof(DecoderAttribute).Assembly.Location);

    public static MetadataReference Kernels { get; } = MetadataReference.CreateFromFile(typeof(Cpu.CpuWorkers).Assembly.Location);

    public static MetadataReference Gpu { get; } = MetadataReference.CreateFromFile(typeof(Cuda.Kernel).Assembly.Location);

    public ImmutableArray<MetadataReference> References { get; init; } = [Runtime, Kernels, Gpu];

    public LanguageVersion LanguageVersion { get; init; } = LanguageVersion.Default;

    public NullableContextOptions Nullable { get; init; } = NullableContextOptions.Enable;

    public bool Checked { get; init; }

    public CSharpParseOptions ParseOptions => new(LanguageVersion, DocumentationMode.Diagnose);

    public CSharpCompilation Compilation() => CSharpCompilation.Create(
        "User",
        Sources.Select((text, i) => CSharpSyntaxTree.ParseText(SourceText.From(text), ParseOptions, $"File{i}.cs")),
        [.. Framework, .. References],
        new(OutputKind.DynamicallyLinkedLibrary, warningLevel: 9999, nullableContextOptions: Nullable, checkOverflow: Checked));

    public DecoderGenerator Generator { get; init; } = new();

    public CSharpGeneratorDriver Driver() => CSharpGeneratorDriver.Create(
        [Generator.AsSourceGenerator()],
        parseOptions: ParseOptions,
        driverOptions: new(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    /// <summary>Generates, compiles, analyses.</summary>
    public Outcome Build()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var driver = Driver().RunGeneratorsAndUpdateCompilation(Compilation(), out var output, out var generatorDiagnostics, cancellation);
        var analyzed = output.WithAnalyzers([new DecoderAnalyzer()]).GetAnalyzerDiagnosticsAsync(cancellation).GetAwaiter().GetResult();
        return new(
            (CSharpCompilation)output,
            driver.GetRunResult(),
            [.. generatorDiagnostics, .. analyzed, .. output.GetDiagnostics(cancellation)]);
    }

    private static ImmutableArray<MetadataReference> FrameworkReferences()
    {
        var folder = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        return
        [
            .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
                .Where(path => Path.GetDirectoryName(path) == folder)
                .Select(path => MetadataReference.CreateFromFile(path)),
        ];
    }
}

/// <summary>What a build gave.</summary>
internal sealed record Outcome(CSharpCompilation Compilation, GeneratorDriverRunResult Run, ImmutableArray<Diagnostic> Diagnostics)
{
    public IEnumerable<(string HintName, string Text)> Generated =>
        Run.Results.SelectMany(result => result.GeneratedSources).Select(source => (source.HintName, source.SourceText.ToString()));

    /// <summary>Every error, and every warning that is not the test's own source's for want of documentation.</summary>
    public IEnumerable<Diagnostic> Problems => Diagnostics.Where(d =>
        d.Severity >= DiagnosticSeverity.Info && (d.Id != "CS1591" || IsGenerated(d)));

    public void AssertClean() => Assert.True(!Problems.Any(), string.Join('\n', Problems) + Excerpt());

    private static bool IsGenerated(Diagnostic diagnostic) => diagnostic.Location.SourceTree?.FilePath.Contains("DecoderGenerator", StringComparison.Ordinal) == true;

    private string Excerpt()
    {
        var first = Problems.FirstOrDefault(IsGenerated);
        return first is null ? "" : $"\nat: {first.Location.SourceTree!.GetText().Lines[first.Location.GetLineSpan().StartLinePosition.Line]}";
    }
}
