using ModGen.Compiler.Graph;
using ModGen.Programs;

namespace ModGen.Oracle.Tests;

/// <summary>Compares one training step of emitted code with the interpreter's.</summary>
internal static class StepComparison
{
    /// <summary>That of float32.</summary>
    public const double Tolerance = 1e-4;

    /// <summary>A random batch; some targets do not count.</summary>
    public static ModelInterpreter.Batch RandomBatch(ModelGraph model, int sequences, int seed)
    {
        var random = new Gaussian(seed);
        var count = sequences * model.Spec.Context;
        var targets = random.Below(model.Spec.Vocabulary, count);
        for (var i = 1; i < count; i += 5)
            targets[i] = -1;
        return new ModelInterpreter.Batch(random.Below(model.Spec.Vocabulary, count), targets, Draw: (ulong)seed * 1234567);
    }

    /// <summary>Everything that a step computes: losses, routing, logits, gradients.</summary>
    /// <param name="emitted">The emitted model.</param>
    /// <param name="reference">The graph that the interpreter runs: the model's own, or one that is wrong on purpose.</param>
    /// <param name="sequences">Sequences of the batch.</param>
    /// <param name="seed">Draws parameters and batch.</param>
    /// <param name="selects">True when the interpreter is to select by itself; then no two scores may tie.</param>
    /// <param name="on">Where the emitted model runs; the CPU when null.</param>
    public static void Check(EmittedModel emitted, ModelGraph reference, int sequences = 2, int seed = 1, bool selects = false, TestDevice? on = null)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed);
        var batch = RandomBatch(emitted.Graph, sequences, seed);
        using var model = emitted.Create(parameters, on);
        using var program = model.CreateTrainingProgram(sequences);
        var logits = new float[batch.Tokens.Length * emitted.Spec.Vocabulary];
        program.Logits(batch.Tokens, logits, batch.Draw);
        program.Accumulate(batch.Tokens, batch.Targets, 1, batch.Draw);
        var selections = Selections(emitted, program);
        var expected = Expected.Of(new ModelInterpreter(reference), parameters, selects ? batch : batch with { Selected = selections }, (on ?? TestDevice.Cpu).Accuracy);

        CheckRouting(emitted, program, expected);
        CheckLosses(program, expected, emitted.Spec.Layers);
        expected.Values(run => run.Logits, logits, "logits");
        CheckGradients(model, program, expected.Run.Gradients!, 1, shaken: expected.Shaken is null ? null : () => expected.Shaken.Value.Gradients!, within: expected.Within);
    }

    /// <summary>The gradients of a step that follows another one, which accumulated twice and moved nothing.</summary>
    public static void CheckNextStep(EmittedModel emitted, TestDevice on)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed: 1);
        using var model = emitted.Create(parameters, on);
        using var program = model.CreateTrainingProgram(2);
        var batch = RandomBatch(emitted.Graph, 2, seed: 1);
        program.Accumulate(batch.Tokens, batch.Targets, 1, batch.Draw);
        program.Accumulate(batch.Tokens, batch.Targets, 1, batch.Draw);
        program.Update(new AdamWUpdate(LearningRate: 0, 0.9f, 0.95f, 1e-8f, WeightDecay: 0, ClipNorm: 1, Step: 1));
        batch = RandomBatch(emitted.Graph, 2, seed: 2);
        program.Accumulate(batch.Tokens, batch.Targets, 1, batch.Draw);
        batch = batch with { Selected = Selections(emitted, program) };
        var expected = Expected.Of(new ModelInterpreter(emitted.Graph), parameters, batch, on.Accuracy);
        CheckGradients(model, program, expected.Run.Gradients!, 1, shaken: expected.Shaken is null ? null : () => expected.Shaken.Value.Gradients!, within: expected.Within);
    }

    /// <summary>All losses of a step, in float32.</summary>
    public static void CheckLosses(TrainingProgram program, TrainingRun expected, int layers) =>
        CheckLosses(program, new Expected(expected, Accuracy.Float32), layers);

    /// <summary>Every tensor within the tolerance, besides rounding noise of the whole gradient where a part of it nearly vanishes.</summary>
    /// <param name="model">The model.</param>
    /// <param name="program">The program that has accumulated gradients.</param>
    /// <param name="expected">The interpreter's.</param>
    /// <param name="scale">Factor of the expected ones.</param>
    /// <param name="noise">Share of the whole gradient's norm that any tensor may be off; the accuracy's when null.</param>
    /// <param name="shaken">The interpreter's, shaken by the device's roundings; of the same scale as the expected ones.</param>
    /// <param name="within">The device's accuracy; float32's when null.</param>
    public static void CheckGradients(
        DecoderModel model, TrainingProgram program, ModelParameters expected, double scale, double? noise = null, Func<ModelParameters>? shaken = null, Accuracy? within = null)
    {
        within ??= Accuracy.Float32;
        var floor = (noise ?? within.Noise) * Close.Norm([.. expected.Names.Select(name => Close.Norm(expected[name]))]);
        foreach (var parameter in model.Parameters.Parameters)
        {
            var actual = new float[parameter.Length];
            Array.Fill(actual, float.NaN);
            program.Read(TrainingState.Gradients, parameter.Offset, actual);
            within.Check(
                Scaled(expected), actual, within.Gradient, $"gradient of {parameter.Name}", shaken is null ? null : () => Scaled(shaken()), floor);

            double[] Scaled(ModelParameters gradients) => Array.ConvertAll(gradients[parameter.Name], g => g * scale);
        }
    }

    private static void CheckLosses(TrainingProgram program, Expected expected, int layers)
    {
        expected.Loss(run => run.CrossEntropy, program.CrossEntropy, "cross-entropy");
        for (var i = 0; i < layers; i++)
        {
            var layer = i;
            expected.Loss(run => run.AuxiliaryLoss(layer), program.AuxiliaryLoss(layer), $"auxiliary loss of layer {layer}");
            expected.Loss(run => run.PredictorLoss(layer), program.PredictorLoss(layer), $"predictor loss of layer {layer}");
        }
    }

    private static void CheckRouting(EmittedModel emitted, TrainingProgram program, Expected expected)
    {
        for (var i = 0; i < emitted.Spec.Layers; i++)
        {
            var layer = i;
            if (emitted.Spec.Blocks[layer].Routing is not { } routing)
                continue;
            Close.Check(Array.ConvertAll(expected.Run.Selected(layer), p => (double)p), Doubles(program.Selected(layer)), 0, $"selection of layer {layer}");
            expected.Values(run => run.Scores(layer), program.Scores(layer), $"scores of layer {layer}");
            if (routing.PredictorWidth > 0)
                expected.Values(run => run.PredictorLogits(layer), program.PredictorLogits(layer), $"predictor logits of layer {layer}");
        }
    }

    /// <summary>
    /// The program's selections, once they are found to be the top k of the program's own scores: what the interpreter is
    /// then to use, where scores that are equal in exact arithmetic differ in the last bit of float64.
    /// </summary>
    public static IReadOnlyList<int[]?> Selections(EmittedModel emitted, TrainingProgram program)
    {
        var result = new int[]?[emitted.Spec.Layers];
        for (var layer = 0; layer < result.Length; layer++)
        {
            if (emitted.Spec.Blocks[layer].Routing is not { } routing)
                continue;
            var selected = program.Selected(layer).ToArray();
            for (var sequence = 0; sequence < program.Batch; sequence++)
            {
                var scores = program.Scores(layer).Slice(sequence * emitted.Spec.Context, emitted.Spec.Context).ToArray();
                var top = Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]).Take(routing.Tokens).Order();
                Assert.Equal(top, selected.AsSpan(sequence * routing.Tokens, routing.Tokens).ToArray());
            }

            result[layer] = selected;
        }

        return result;
    }

    private static double[] Doubles(ReadOnlySpan<int> values) => Array.ConvertAll(values.ToArray(), v => (double)v);
}
