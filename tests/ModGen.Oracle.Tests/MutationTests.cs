using ModGen.Compiler.Graph;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle.Tests;

/// <summary>
/// What published code gets wrong: the comparisons that hold for the emitted code fail against each wrong version, and fail
/// where they should.
/// </summary>
public sealed class MutationTests
{
    private static readonly EmittedModel Routed = EmittedModel.Of(TestSpec.Tiny(
        BlockSpec.Dense, TestSpec.Routed(3, GateKind.Sigmoid, auxiliary: 0.5, predictor: 4), BlockSpec.Dense) with { Context = 9 });

    [Fact]
    public void TheRightVersionsAgree()
    {
        StepComparison.Check(Routed, Routed.Graph, selects: true);
        StepComparison.Check(Routed, GraphRewriter.Apply(Routed.Graph, (graph, node, inputs) => graph.Keep(node, inputs)), selects: true);
        CausalComparison.Check(Routed, Routed.Graph);
        CausalComparison.CheckAgainstParallel(Routed, Routed.Graph);
    }

    [Fact]
    public void AGateOverTheResidualIsFound() => TrainingDiffers(Mutations.GateOverTheResidual, "cross-entropy");

    [Fact]
    public void OneTokenFewerIsFound() => TrainingDiffers(Mutations.OneTokenFewer, "selection of layer 1");

    [Fact]
    public void RenumberedPositionsAreFound() => TrainingDiffers(Mutations.RenumberedPositions, "cross-entropy");

    [Fact]
    public void APredictorBehindTheBlockIsFound() => TrainingDiffers(Mutations.PredictorBehindTheBlock, "predictor logits of layer 1");

    [Fact]
    public void TopKOfOneTokenIsFound()
    {
        var error = Assert.Throws<MismatchException>(() => CausalComparison.Check(Routed, Mutations.EveryTokenEnters(Routed.Graph)));
        Assert.Contains("entries of layer 1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ZerosInTheCacheAreFound()
    {
        var error = Assert.Throws<MismatchException>(() => CausalComparison.CheckAgainstParallel(Routed, Mutations.ZerosInTheCache(Routed.Graph)));
        Assert.Contains("logits", error.Message, StringComparison.Ordinal);
    }

    private static void TrainingDiffers(Func<ModelGraph, ModelGraph> mutate, string where)
    {
        var error = Assert.Throws<MismatchException>(() => StepComparison.Check(Routed, mutate(Routed.Graph), selects: true));
        Assert.StartsWith(where, error.Message, StringComparison.Ordinal);
    }
}
