using ModGen.Compiler.Graph;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle.Tests;

/// <summary>
/// What bfloat16 operands alone do to a step: the interpreter with rounded operands against itself. In models of the width of
/// a tile they stay within <see cref="Accuracy.BFloat16"/>, and a wrong graph does not pass for them.
/// </summary>
public sealed class BFloat16ArithmeticTests
{
    [Theory]
    [InlineData("k not of 16")]
    [InlineData("tied")]
    [InlineData("width 192")]
    public void RoundedOperandsStayWithinTheAccuracy(string name) => Check(ModelGraph.Build(TestSpec.Tiles[name]), sequences: 2, seed: 21);

    [Fact]
    public void AWrongGraphDoesNotPassForThem()
    {
        var right = ModelGraph.Build(TestSpec.Tiny(BlockSpec.Dense, TestSpec.Routed(3, GateKind.Sigmoid, auxiliary: 0.5, predictor: 4), BlockSpec.Dense) with { Context = 9 });
        foreach (var mutate in (Func<ModelGraph, ModelGraph>[])[Mutations.GateOverTheResidual, Mutations.RenumberedPositions, Mutations.PredictorBehindTheBlock])
            Assert.Throws<MismatchException>(() => Check(mutate(right), sequences: 2, seed: 1, right));
    }

    private static void Check(ModelGraph model, int sequences, int seed, ModelGraph? right = null)
    {
        var within = Accuracy.BFloat16;
        var parameters = ModelParameters.Random(model, seed);
        var batch = StepComparison.RandomBatch(model, sequences, seed);
        var rounded = new ModelInterpreter(model).Run(parameters, batch with { RoundsOperands = true }, backward: true);
        var layers = Enumerable.Range(0, model.Spec.Layers).ToList();
        int[]?[] selected = [.. layers.Select(layer => model.Spec.Blocks[layer].Routing is null ? null : rounded.Selected(layer))];
        var exact = new ModelInterpreter(right ?? model).Run(parameters, batch with { Selected = selected }, backward: true);

        Close.Check(exact.CrossEntropy, rounded.CrossEntropy, within.Loss, "cross-entropy");
        Close.Check(exact.Logits, rounded.Logits, within.Value, "logits");
        foreach (var layer in layers.Where(layer => selected[layer] is not null))
        {
            Close.Check(exact.AuxiliaryLoss(layer), rounded.AuxiliaryLoss(layer), within.Loss, $"auxiliary loss of layer {layer}");
            Close.Check(exact.PredictorLoss(layer), rounded.PredictorLoss(layer), within.Loss, $"predictor loss of layer {layer}");
            Close.Check(exact.Scores(layer), rounded.Scores(layer), within.Value, $"scores of layer {layer}");
        }

        var (expected, actual) = (exact.Gradients!, rounded.Gradients!);
        var floor = within.Noise * Close.Norm([.. expected.Names.Select(name => Close.Norm(expected[name]))]);
        foreach (var name in expected.Names)
            Close.Check(expected[name], actual[name], within.Gradient, $"gradient of {name}", floor);
    }
}
