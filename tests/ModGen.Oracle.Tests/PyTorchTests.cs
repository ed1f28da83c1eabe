namespace ModGen.Oracle.Tests;

/// <summary>Small models in plain PyTorch, written from the paper and not from this code: the same losses, logits and gradients.</summary>
public sealed class PyTorchTests
{
    private const string Script = "make_fixtures.py";

    /// <summary>Fixtures are float64 results rounded to float32.</summary>
    private const double InterpreterTolerance = 1e-6;

    public static TheoryData<string> Names => ["dense", "tied", "mod_identity", "mod_sigmoid", "mod_predictor"];

    [Theory]
    [MemberData(nameof(Names))]
    public void TheInterpreterComputesWhatPyTorchDoes(string name)
    {
        using var fixture = Fixture.Open(name + ".safetensors", Script);
        var emitted = EmittedModel.Of(fixture.Spec(name));
        var run = new ModelInterpreter(emitted.Graph).Run(Weights(fixture, emitted), Batch(fixture), backward: true);

        Close.Check(fixture["loss"][0], run.CrossEntropy, InterpreterTolerance, "loss");
        Close.Check(fixture["logits"], run.Logits, InterpreterTolerance, "logits");
        foreach (var parameter in run.Gradients!.Names)
            Close.Check(fixture["gradient." + parameter], run.Gradients[parameter], InterpreterTolerance, $"gradient of {parameter}");
        for (var layer = 0; layer < emitted.Spec.Layers; layer++)
        {
            Assert.Equal(Optional(fixture, $"selected.{layer}"), Array.ConvertAll(run.Selected(layer), p => (double)p));
            Close.Check(Loss(fixture, $"auxiliary.{layer}"), run.AuxiliaryLoss(layer), InterpreterTolerance, "auxiliary loss");
            Close.Check(Loss(fixture, $"predictor.{layer}"), run.PredictorLoss(layer), InterpreterTolerance, "predictor loss");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TheEmittedCodeComputesWhatPyTorchDoes(string name)
    {
        using var fixture = Fixture.Open(name + ".safetensors", Script);
        var emitted = EmittedModel.Of(fixture.Spec(name));
        var batch = Batch(fixture);
        using var model = emitted.Create(Weights(fixture, emitted));
        using var program = model.CreateTrainingProgram(batch.Tokens.Length / emitted.Spec.Context);
        var logits = new float[batch.Tokens.Length * emitted.Spec.Vocabulary];
        program.Logits(batch.Tokens, logits, draw: 0);
        program.Accumulate(batch.Tokens, batch.Targets, 1, draw: 0);

        Close.Check(fixture["loss"][0], program.CrossEntropy, StepComparison.Tolerance, "loss");
        Close.Check(fixture["logits"], logits, StepComparison.Tolerance, "logits");
        var gradients = ModelParameters.Zeros(emitted.Graph);
        foreach (var parameter in gradients.Names)
            fixture["gradient." + parameter].CopyTo(gradients[parameter], 0);
        StepComparison.CheckGradients(model, program, gradients, 1);
        for (var layer = 0; layer < emitted.Spec.Layers; layer++)
        {
            Assert.Equal(Optional(fixture, $"selected.{layer}"), Array.ConvertAll(program.Selected(layer).ToArray(), p => (double)p));
            Close.Check(Loss(fixture, $"auxiliary.{layer}"), program.AuxiliaryLoss(layer), StepComparison.Tolerance, "auxiliary loss");
            Close.Check(Loss(fixture, $"predictor.{layer}"), program.PredictorLoss(layer), StepComparison.Tolerance, "predictor loss");
        }
    }

    private static ModelParameters Weights(Fixture fixture, EmittedModel emitted)
    {
        var weights = ModelParameters.Zeros(emitted.Graph);
        Assert.Equal(fixture.Names.Where(n => n.StartsWith("gradient.", StringComparison.Ordinal)).Select(n => n["gradient.".Length..]).Order(StringComparer.Ordinal), weights.Names.Order(StringComparer.Ordinal));
        foreach (var name in weights.Names)
            fixture[name].CopyTo(weights[name], 0);
        return weights;
    }

    private static ModelInterpreter.Batch Batch(Fixture fixture) => new(fixture.Integers("tokens"), fixture.Integers("targets"));

    private static double[] Optional(Fixture fixture, string name) => fixture.Names.Contains(name) ? fixture[name] : [];

    private static double Loss(Fixture fixture, string name) => Optional(fixture, name) is [var loss] ? loss : 0;
}
