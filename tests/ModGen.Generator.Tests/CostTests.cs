using System.Globalization;
using Microsoft.CodeAnalysis;
using ModGen.Generator.Tests.Driver;

namespace ModGen.Generator.Tests;

/// <summary>What an editor shows over the class, and its constants, against the formulae of the reference.</summary>
public sealed class CostTests
{
    /// <summary>A declaration and its numbers; P = 0 without a predictor, K = T in a dense layer.</summary>
    /// <param name="Arguments">Of both attributes.</param>
    /// <param name="V">Vocabulary.</param>
    /// <param name="D">Width.</param>
    /// <param name="H">Heads.</param>
    /// <param name="G">Key/value heads.</param>
    /// <param name="W">Head width.</param>
    /// <param name="F">MLP width.</param>
    /// <param name="T">Context.</param>
    /// <param name="P">Predictor.</param>
    /// <param name="K">Tokens of each layer.</param>
    /// <param name="Tied">True when the head is the embedding.</param>
    /// <param name="Router">True when routing is learned.</param>
    public sealed record Case(string Arguments, long V, long D, long H, long G, long W, long F, long T, long P, bool Tied, bool Router, params long[] K)
    {
        public long Parameters => (Tied ? 1 : 2) * V * D + D + K.Sum(k =>
            D * (H + 2 * G) * W + H * W * D + 3 * D * F + 2 * D + (k < T ? (Router ? D : 0) + (P > 0 ? P * D + P + P + 1 : 0) : 0));

        public double FlopsPerToken => 2.0 * D * V + K.Sum(k => k < T ? k / (double)T * Body(k) + (Router ? 2 * D : 0) + 2.0 * P * (D + 1) : Body(T));

        public double DenseFlopsPerToken => 2.0 * D * V + K.Length * Body(T);

        private double Body(long k) => 2.0 * D * (H + 2 * G) * W + 2.0 * k * H * W + 2.0 * H * W * D + 6.0 * D * F;
    }

    private static readonly Case[] All =
    [
        new("[ModGen.Decoder(Vocabulary = 256, Width = 64, Layers = 3, Heads = 4, Context = 32)]", 256, 64, 4, 4, 16, 192, 32, 0, false, false, 32, 32, 32),
        new("[ModGen.Decoder(Vocabulary = 1000, Width = 96, Layers = 4, Heads = 6, KeyValueHeads = 2, FeedForward = 100, Context = 40, TiedHead = true)] [ModGen.MixtureOfDepths(Capacity = 0.25)]",
            1000, 96, 6, 2, 16, 100, 40, 0, true, true, 40, 10, 40, 10),
        new("[ModGen.Decoder(Vocabulary = 256, Width = 64, Layers = 3, Heads = 4, HeadWidth = 10, FeedForward = 128, Context = 32)] [ModGen.MixtureOfDepths(Tokens = 5, Layers = [0, 2], Predictor = 7)]",
            256, 64, 4, 4, 10, 128, 32, 7, false, true, 5, 32, 5),
        new("[ModGen.Decoder(Vocabulary = 256, Width = 64, Layers = 2, Heads = 4, FeedForward = 128, Context = 32)] [ModGen.MixtureOfDepths(Tokens = 8, Routing = ModGen.Routing.Random)]",
            256, 64, 4, 4, 16, 128, 32, 0, false, false, 32, 8),
    ];

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, All.Length)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Constants_are_those_of_the_formulae(int index)
    {
        var expected = All[index];
        var info = Model(expected).GetTypeMembers("Info").Single();
        Assert.Equal(expected.Parameters, Constant(info, "Parameters"));
        Assert.Equal(expected.FlopsPerToken, (double)Constant(info, "FlopsPerToken"), 1e-9 * expected.FlopsPerToken);
        Assert.Equal(expected.DenseFlopsPerToken, (double)Constant(info, "DenseFlopsPerToken"), 1e-9 * expected.DenseFlopsPerToken);
        Assert.Equal(expected.FlopsPerToken / expected.DenseFlopsPerToken, (double)Constant(info, "ShareOfDense"), 1e-9);
        Assert.True((long)Constant(info, "ActivationBytesPerSequence") > expected.T * expected.D * sizeof(float) * (expected.K.Length + 1));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Hovering_shows_them(int index)
    {
        var expected = All[index];
        var hover = Model(expected).GetDocumentationCommentXml(CultureInfo.InvariantCulture, cancellationToken: TestContext.Current.CancellationToken)!;
        Assert.Contains("<summary>Mine.</summary>", hover, StringComparison.Ordinal);
        Assert.Contains(expected.Parameters.ToString("#,##0", CultureInfo.InvariantCulture) + " parameters", hover, StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"{expected.FlopsPerToken / 1e6:0.00} MFLOP"), hover, StringComparison.Ordinal);
        Assert.Contains("of activations", hover, StringComparison.Ordinal);
        foreach (var k in expected.K.Where(k => k < expected.T).Distinct())
            Assert.Contains($"k = {k} of {expected.T}", hover, StringComparison.Ordinal);
    }

    private static INamedTypeSymbol Model(Case declaration)
    {
        var outcome = new UserProject($"/// <summary>Mine.</summary>\n{declaration.Arguments} public partial class M;").Build();
        outcome.AssertClean();
        return outcome.Compilation.GetTypeByMetadataName("M")!;
    }

    private static object Constant(INamedTypeSymbol info, string name) => ((IFieldSymbol)info.GetMembers(name).Single()).ConstantValue!;
}
