using ModGen.Compiler.Graph;
using ModGen.Oracle;

namespace ModGen.Compiler.Tests;

/// <summary>Whole models, differentiated section by section, against central differences of their losses.</summary>
public sealed class ModelGradientTests
{
    private const int Batch = 2;

    public static TheoryData<string> Features => [.. TestSpec.Features.Keys];

    [Theory]
    [MemberData(nameof(Features))]
    public void EveryParametersGradientIsTheDerivativeOfTheTotalLoss(string feature)
    {
        var model = ModelGraph.Build(TestSpec.Features[feature]);
        var parameters = ModelParameters.Random(model, seed: 5);
        var interpreter = new ModelInterpreter(model);
        var batch = BatchOf(model, seed: 11);
        var run = interpreter.Run(parameters, batch, backward: true);

        foreach (var name in parameters.Names)
        {
            var numerical = Numerical.Gradient(parameters[name], () => LossSeenBy(name, interpreter.Run(parameters, batch)));
            Close.Check(numerical, run.Gradients![name], Numerical.Tolerance, name, floor: 1e-10);
        }

        double LossSeenBy(string name, TrainingRun perturbed)
        {
            // A perturbation that changed a selection would step over a jump of the loss.
            for (var layer = 0; layer < model.Spec.Layers; layer++)
                Assert.Equal(run.Selected(layer), perturbed.Selected(layer));
            // The predictor's loss reaches the predictor and nothing else: what others do to it is no part of their gradient.
            var isPredictor = name.Contains(".mod.predictor.", StringComparison.Ordinal);
            return perturbed.TotalLoss - (isPredictor ? 0 : Enumerable.Range(0, model.Spec.Layers).Sum(perturbed.PredictorLoss));
        }
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void GradientsAreThere(string feature)
    {
        var model = ModelGraph.Build(TestSpec.Features[feature]);
        var run = new ModelInterpreter(model).Run(ModelParameters.Random(model, seed: 5), BatchOf(model, seed: 11), backward: true);

        foreach (var name in run.Gradients!.Names)
        {
            // One token attends to itself alone, whatever its query and key are.
            var attendsAlone = feature == "one token" && name is "model.layers.0.self_attn.q_proj.weight" or "model.layers.0.self_attn.k_proj.weight";
            Assert.True(Close.Norm(run.Gradients[name]) > 1e-6 || attendsAlone, $"The gradient of {name} vanishes.");
        }
    }

    [Fact]
    public void ThePredictorsLossTouchesNothingElse()
    {
        var with = ModelGraph.Build(TestSpec.Tiny(TestSpec.Routed(3, predictor: 3)));
        var without = ModelGraph.Build(TestSpec.Tiny(TestSpec.Routed(3)));
        var parameters = ModelParameters.Random(with, seed: 1);
        var batch = BatchOf(with, seed: 2);

        var full = new ModelInterpreter(with).Run(parameters, batch, backward: true);
        var bare = new ModelInterpreter(without).Run(parameters, batch, backward: true);

        Assert.NotEqual(0, full.PredictorLoss(0));
        foreach (var name in bare.Gradients!.Names)
            Assert.Equal(bare.Gradients[name], full.Gradients![name]);
    }

    [Fact]
    public void TargetsThatDoNotCountSendNoGradient()
    {
        var model = ModelGraph.Build(TestSpec.Features["dense"]);
        var parameters = ModelParameters.Random(model, seed: 1);
        var batch = BatchOf(model, seed: 2);
        var first = batch with { Targets = [.. batch.Targets.Take(model.Spec.Context), .. Enumerable.Repeat(-1, model.Spec.Context)] };
        var alone = new ModelInterpreter.Batch([.. batch.Tokens.Take(model.Spec.Context)], [.. batch.Targets.Take(model.Spec.Context)]);

        var expected = new ModelInterpreter(model).Run(parameters, alone, backward: true);
        var actual = new ModelInterpreter(model).Run(parameters, first, backward: true);

        Close.Check(expected.TotalLoss, actual.TotalLoss, 1e-12, "loss");
        foreach (var name in expected.Gradients!.Names)
            Close.Check(expected.Gradients[name], actual.Gradients![name], 1e-12, name);
    }

    private static ModelInterpreter.Batch BatchOf(ModelGraph model, int seed)
    {
        var random = new Gaussian(seed);
        var count = Batch * model.Spec.Context;
        var targets = random.Below(model.Spec.Vocabulary, count);
        targets[3] = -1;
        return new ModelInterpreter.Batch(random.Below(model.Spec.Vocabulary, count), targets, Draw: 99);
    }
}
