using ModGen.Compiler.Planning;
using ModGen.Compiler.Spec;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>The cost report against formulae worked out by hand.</summary>
public sealed class CostReportTests
{
    private const int V = 250, D = 48, H = 6, G = 2, W = 10, F = 100, T = 64, P = 12;

    private static readonly ModelSpec Spec = TestSpec.Tiny() with
    {
        Vocabulary = V, Width = D, Heads = H, KeyValueHeads = G, HeadWidth = W, FeedForward = F, Context = T,
    };

    private static long BlockParameters => 2 * D + (H + 2 * G) * W * D + H * W * D + 3L * F * D;

    /// <summary>FLOPs of a block that runs on n of T tokens, a token of the sequence.</summary>
    private static double BlockFlops(int n) =>
        (2.0 * n * (BlockParameters - 2 * D) + 2.0 * n * n * H * W) / T;

    [Fact]
    public void ADenseModelCostsWhatItsMatricesSay()
    {
        var cost = CostOf(BlockSpec.Dense, BlockSpec.Dense, BlockSpec.Dense);

        Assert.Equal(2L * V * D + D + 3 * BlockParameters, cost.Parameters);
        Assert.Equal(2.0 * V * D + 3 * BlockFlops(T), cost.FlopsPerToken, precision: 6);
        Assert.Equal(1, cost.ShareOfDense);
        Assert.All(cost.Layers, l => Assert.Equal(T, l.Tokens));
    }

    [Fact]
    public void ARoutedBlockCostsItsTokensItsRouterAndItsPredictor()
    {
        var cost = CostOf(BlockSpec.Dense, TestSpec.Routed(8, auxiliary: 0.1), TestSpec.Routed(5, predictor: P), TestSpec.RandomlyRouted(3));

        Assert.Equal(2L * V * D + D + 4 * BlockParameters + 2 * D + (P * D + P + P + 1), cost.Parameters);
        double[] expected = [BlockFlops(T), BlockFlops(8) + 2 * D, BlockFlops(5) + 2 * D + 2 * P * D + 2 * P, BlockFlops(3)];
        for (var layer = 0; layer < expected.Length; layer++)
            Assert.Equal(expected[layer], cost.Layers[layer].FlopsPerToken, precision: 6);
        Assert.Equal([T, 8, 5, 3], cost.Layers.Select(l => l.Tokens));
        Assert.Equal(2.0 * V * D + expected.Sum(), cost.FlopsPerToken, precision: 6);
        Assert.Equal(2.0 * V * D + 4 * BlockFlops(T), cost.DenseFlopsPerToken, precision: 6);
        Assert.Equal(cost.FlopsPerToken / cost.DenseFlopsPerToken, cost.ShareOfDense);
        Assert.Equal([BlockParameters, BlockParameters + D, BlockParameters + D + P * D + P + P + 1, BlockParameters], cost.Layers.Select(l => l.Parameters));
    }

    [Fact]
    public void ATiedHeadCountsOnceAndComputesAsMuch()
    {
        var untied = CostOf(BlockSpec.Dense);
        var tied = DecoderCompiler.Compile(Spec with { TiedHead = true, Blocks = EquatableArray.Of(BlockSpec.Dense) }).Cost;

        Assert.Equal(untied.Parameters - V * D, tied.Parameters);
        Assert.Equal(untied.FlopsPerToken, tied.FlopsPerToken);
    }

    [Fact]
    public void ActivationsGrowByWhatALayerKeeps()
    {
        var four = CostOf([.. Enumerable.Repeat(BlockSpec.Dense, 4)]).ActivationBytesPerSequence;
        var five = CostOf([.. Enumerable.Repeat(BlockSpec.Dense, 5)]).ActivationBytesPerSequence;
        var six = CostOf([.. Enumerable.Repeat(BlockSpec.Dense, 6)]).ActivationBytesPerSequence;
        var routed = CostOf([.. Enumerable.Repeat(BlockSpec.Dense, 4), TestSpec.Routed(8, auxiliary: 0.1)]).ActivationBytesPerSequence;

        Assert.Equal(five - four, six - five);
        // A layer keeps at least its input stream, its projections and its MLP's halves; a routed one an eighth of that, and its scores.
        Assert.True(five - four >= 4L * T * (D + (H + 2 * G) * W + 2 * F));
        Assert.True(routed - four - 4L * T * D <= (five - four - 4L * T * D) / 8 + 4L * (T + 8 + 64 * 16));
    }

    private static CostReport CostOf(params BlockSpec[] blocks) => DecoderCompiler.Compile(Spec with { Blocks = blocks.ToEquatableArray() }).Cost;
}
