using System.Globalization;
using System.Text;
using Microsoft.CodeAnalysis;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

/// <summary>
/// Declarations drawn at random, of arguments that are mostly sound. Each compiles cleanly, or has a diagnostic on an
/// attribute argument (or on an attribute that lacks one). MODGEN_SWEEP sets how many are drawn.
/// </summary>
public sealed class RandomDeclarationTests
{
    private const int PerBatch = 20;

    private static readonly int Count = int.TryParse(Environment.GetEnvironmentVariable("MODGEN_SWEEP"), NumberStyles.None, CultureInfo.InvariantCulture, out var sweep) ? sweep : 80;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, (Count + PerBatch - 1) / PerBatch)];

    // Many in one project: they must not disturb each other either.
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Compiles_cleanly_or_is_told_why(int seed)
    {
        var random = new Random(seed);
        var sources = Enumerable.Range(0, PerBatch).Select(i => Declaration(random, $"M{i}")).ToArray();
        var outcome = new UserProject([.. sources]).Build();
        var valid = 0;
        for (var i = 0; i < PerBatch; i++)
        {
            var problems = outcome.Problems.Where(p => FileOf(p) == i).ToArray();
            var generated = outcome.Generated.Where(g => g.HintName.StartsWith($"M{i}.", StringComparison.Ordinal)).ToArray();
            Assert.NotEmpty(generated);
            if (problems.Any(p => p.Severity == DiagnosticSeverity.Error))
                Assert.All(problems, p => AssertOnArgument(p, sources[i]));
            else
                valid += generated.Length == 6 ? 1 : throw new InvalidOperationException($"{sources[i]} gave no error and no model.");
        }
        // Whatever is left is in generated code, or nowhere.
        Assert.All(outcome.Problems, p => Assert.True(FileOf(p) >= 0, $"{p}\n{string.Join('\n', sources)}"));
        Assert.InRange(valid, 1, PerBatch - 1);
    }

    private static void AssertOnArgument(Diagnostic problem, string source)
    {
        Assert.StartsWith("MODGEN0", problem.Id, StringComparison.Ordinal);
        var text = source.Substring(problem.Location.SourceSpan.Start, problem.Location.SourceSpan.Length);
        var isAttribute = text is "ModGen.Decoder" or "ModGen.MixtureOfDepths";
        Assert.True(isAttribute ? problem.Id is "MODGEN010" or "MODGEN022" or "MODGEN026" : text.Contains('=', StringComparison.Ordinal) || problem.Id is "MODGEN024" or "MODGEN025", $"{problem} at '{text}'");
        Assert.DoesNotContain('{', problem.GetMessage(CultureInfo.InvariantCulture));
    }

    private static int FileOf(Diagnostic problem) =>
        problem.Location.SourceTree?.FilePath is ['F', 'i', 'l', 'e', .. var number, '.', 'c', 's'] ? int.Parse(number, CultureInfo.InvariantCulture) : -1;

    private static string Declaration(Random random, string name)
    {
        var heads = Pick(random, 1, 2, 3, 4, 6, 8);
        var width = heads * 2 * random.Next(1, 12);
        var context = random.Next(2, 80);
        var layers = random.Next(1, 9);
        var decoder = new Arguments(random);
        decoder.Add("Vocabulary", random.Next(2, 300), -1, 0, 1, int.MaxValue, 16777216);
        decoder.Add("Width", width, 0, int.MinValue, int.MaxValue, width + 1, 65536);
        decoder.Add("Layers", layers, 0, -3, int.MaxValue, 1025);
        decoder.Add("Heads", heads, 0, -1, 1025, int.MaxValue, 7);
        decoder.Add("Context", context, 1, 0, int.MaxValue, 1048576);
        decoder.Maybe("KeyValueHeads", Pick(random, 1, heads), 0, heads + 1, 5, int.MaxValue);
        decoder.Maybe("HeadWidth", 2 * random.Next(1, 20), 0, 1, 3, 65536, int.MaxValue);
        decoder.Maybe("FeedForward", random.Next(1, 100), 0, -1, 1048576, int.MaxValue);
        decoder.Maybe("TiedHead", random.Next(2) == 0 ? "true" : "false");
        decoder.Maybe("RotaryBase", "500000.0", "0", "double.NaN", "double.PositiveInfinity", "1", "1e300");
        decoder.Maybe("NormEpsilon", "1e-6", "0", "double.NaN", "-1e-5", "1", "double.Epsilon");
        var source = new StringBuilder().Append("[ModGen.Decoder(").Append(decoder).Append(")] ");
        if (random.Next(4) != 0)
            source.Append("[ModGen.MixtureOfDepths(").Append(Depths(random, layers, context)).Append(")] ");
        return source.Append("public partial class ").Append(name).Append(';').ToString();
    }

    private static Arguments Depths(Random random, int layers, int context)
    {
        var depths = new Arguments(random);
        var isRandom = random.Next(5) == 0;
        if (random.Next(2) == 0)
            depths.Add("Capacity", random.NextDouble().ToString("R", CultureInfo.InvariantCulture), "0", "1", "1.5", "double.NaN", "-0.1");
        else
            depths.Add("Tokens", random.Next(1, context + 1), 0, -1, context + 1, int.MaxValue);
        if (random.Next(3) == 0)
            depths.Add("Layers", $"new[] {{ {random.Next(layers)} }}", "new int[0]", $"[0, {layers}]", "[0, 0]", "null");
        else if (random.Next(2) == 0)
            depths.Add("Every", random.Next(1, layers + 1), 0, -1, layers + 1, int.MaxValue);
        else
            depths.Add("First", random.Next(layers), -1, layers, int.MaxValue);
        if (isRandom)
            depths.Add("Routing", "ModGen.Routing.Random", "(ModGen.Routing)5");
        else
            depths.Maybe("Gate", Pick(random, "ModGen.Gate.Identity", "ModGen.Gate.Sigmoid", "ModGen.Gate.Tanh"), "(ModGen.Gate)(-7)");
        depths.Maybe("AuxiliaryWeight", isRandom ? "0" : "0.01", "-1", "double.NaN", "double.PositiveInfinity", "1e9");
        depths.Maybe("Predictor", isRandom ? 0 : random.Next(1, 20), -1, int.MaxValue);
        return depths;
    }

    private static T Pick<T>(Random random, params T[] values) => values[random.Next(values.Length)];

    /// <summary>Named arguments, of which one in thirty or so is left out, given twice in meaning, or wrong.</summary>
    private sealed class Arguments(Random random)
    {
        private readonly List<string> _given = [];

        public void Add(string name, object sound, params object[] odd)
        {
            if (random.Next(60) == 0)
                return;
            var value = odd.Length > 0 && random.Next(30) == 0 ? odd[random.Next(odd.Length)] : sound;
            _given.Add(string.Create(CultureInfo.InvariantCulture, $"{name} = {value}"));
        }

        public void Maybe(string name, object sound, params object[] odd)
        {
            if (random.Next(3) == 0)
                Add(name, sound, odd);
        }

        public override string ToString() => string.Join(", ", _given);
    }
}
