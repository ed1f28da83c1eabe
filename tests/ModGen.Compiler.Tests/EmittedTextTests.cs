using System.Globalization;
using System.Text.RegularExpressions;
using ModGen.Compiler.Spec;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>Properties of the emitted text that hold whatever it says.</summary>
public sealed partial class EmittedTextTests
{
    public static TheoryData<string> Features => [.. TestSpec.Features.Keys];

    [Theory]
    [MemberData(nameof(Features))]
    public void EqualSpecsCompileToTheSameTextInEveryCulture(string feature)
    {
        var spec = TestSpec.Features[feature] with { RotaryBase = 12345.678, NormEpsilon = 2.5e-7 };
        var expected = DecoderCompiler.Compile(spec);
        var culture = CultureInfo.CurrentCulture;
        try
        {
            foreach (var name in (string[])["tr-TR", "ar-SA", "fr-FR", "fa-IR"])
            {
                CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = new CultureInfo(name);
                Assert.NotEqual("1234.5", 1234.5.ToString("N1", CultureInfo.CurrentCulture));
                Assert.Equal(expected.Files, DecoderCompiler.Compile(spec with { Type = spec.Type with { } }).Files);
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = culture;
        }
    }

    [Fact]
    public void LinesEndWithALineFeedAndNoSpace()
    {
        foreach (var file in TestSpec.Features.Values.SelectMany(spec => DecoderCompiler.Compile(spec).Files))
        {
            Assert.DoesNotContain('\r', file.Text);
            Assert.DoesNotContain('\t', file.Text);
            Assert.DoesNotContain(" \n", file.Text, StringComparison.Ordinal);
            Assert.EndsWith("\n", file.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("\n\n\n", file.Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void TextDoesNotGrowWithTheNumberOfEqualLayers(int every)
    {
        var few = DecoderCompiler.Compile(WithLayers(6 * every, every)).Files;
        var many = DecoderCompiler.Compile(WithLayers(60 * every, every)).Files;
        Assert.Equal(few.Select(f => f.Name), many.Select(f => f.Name));
        for (var i = 0; i < few.Count; i++)
            Assert.Equal(WithoutNumbers(few[i].Text), WithoutNumbers(many[i].Text));
    }

    /// <summary>A kernel of k of T rows that ran over fewer would leave the others as they are: no error, and wrong.</summary>
    [Theory]
    [MemberData(nameof(Features))]
    public void KernelsOfASelectionRunOverItsRowsOrOverAll(string feature)
    {
        var spec = TestSpec.Features[feature];
        var launches = DecoderCompiler.Compile(spec).Files.Single(f => f.Name == "CudaTraining").Text.Split('\n')
            .Select(line => (Line: line, Kernel: SelectionKernel().Match(line), Rows: CountedRows().Match(line))).Where(l => l.Kernel.Success && l.Rows.Success).ToList();
        Assert.Equal(spec.Blocks.Any(b => b.Routing is not null), launches.Count > 0);
        foreach (var (line, kernel, rows) in launches)
            Assert.True(
                (string[])[kernel.Groups[1].Value, kernel.Groups[2].Value] is var allowed && allowed.Contains(rows.Groups[1].Success ? rows.Groups[1].Value : "1"),
                $"{line.Trim()} runs over neither {kernel.Groups[1].Value} nor {kernel.Groups[2].Value} rows of a sequence.");
    }

    [Fact]
    public void SpecsThatDifferInOneNumberHaveDifferentFingerprints()
    {
        var spec = TestSpec.Features["both"];
        ModelSpec[] others =
        [
            spec,
            spec with { Vocabulary = 8 }, spec with { Width = 8 }, spec with { FeedForward = 6 }, spec with { Context = 6 }, spec with { HeadWidth = 6 },
            spec with { KeyValueHeads = 1 }, spec with { TiedHead = true }, spec with { RotaryBase = 101 }, spec with { NormEpsilon = 1e-6 },
            spec with { Blocks = EquatableArray.Of(BlockSpec.Dense, spec.Blocks[1], spec.Blocks[1]) },
            spec with { Blocks = EquatableArray.Of(BlockSpec.Dense, spec.Blocks[2], spec.Blocks[1]) },
        ];
        Assert.Equal(others.Length, others.Select(FingerprintOf).Distinct().Count());
        Assert.Equal(FingerprintOf(spec), FingerprintOf(spec with { Type = new TypeIdentity("Elsewhere", "Other", "internal") }));
    }

    private static string FingerprintOf(ModelSpec spec)
    {
        var match = Fingerprint().Match(DecoderCompiler.Compile(spec).Files[0].Text);
        Assert.True(match.Success);
        return match.Value;
    }

    private static ModelSpec WithLayers(int layers, int every) => TestSpec.Tiny(
        [.. Enumerable.Range(0, layers).Select(i => i % every == every - 1 ? TestSpec.Routed(2, auxiliary: 0.1) : BlockSpec.Dense)]);

    private static string WithoutNumbers(string text) => Numbers().Replace(Hashes().Replace(text, "hash"), "#");

    [GeneratedRegex(@"\d[\d,.]*(E[-+]?\d+)?")]
    private static partial Regex Numbers();

    // Gather64_16Of128, and not Rotary8x16Of192.
    [GeneratedRegex(@"CudaKernels\.\w*?[A-Za-wyz_](\d+)Of(\d+)")]
    private static partial Regex SelectionKernel();

    [GeneratedRegex(@"\bRows\(Batch(?: \* (\d+))?\)")]
    private static partial Regex CountedRows();

    [GeneratedRegex("Fingerprint = \".*\"")]
    private static partial Regex Hashes();

    [GeneratedRegex("Fingerprint = \"[0-9a-f]{16}\"")]
    private static partial Regex Fingerprint();
}
