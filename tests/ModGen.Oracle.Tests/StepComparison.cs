using ModGen.Compiler.Graph;
using ModGen.Programs;

namespace ModGen.Oracle.Tests;

/// <summary>Compares one training step of emitted code with the interpreter's.</summary>
internal static class StepComparison
{
    /// <summary>Float32 sums of some hundred terms, layer after layer.</summary>
    public const double Tolerance = 1e-4;

    /// <summary>Roundings that one element meets on its way through a few layers and back, each as large as that of a parameter.</summary>
    private const double Roundings = 30;

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
        var expected = new ModelInterpreter(reference).Run(parameters, selects ? batch : batch with { Selected = selections }, backward: true);

        CheckRouting(emitted, program, expected);
        CheckLosses(program, expected, emitted.Spec.Layers);
        Close.Check(expected.Logits, logits, Tolerance, "logits");
        CheckGradients(model, program, expected.Gradients!, 1);
    }

    public static void CheckLosses(TrainingProgram program, TrainingRun expected, int layers)
    {
        Close.Check(expected.CrossEntropy, program.CrossEntropy, Tolerance, "cross-entropy");
        for (var layer = 0; layer < layers; layer++)
        {
            Close.Check(expected.AuxiliaryLoss(layer), program.AuxiliaryLoss(layer), Tolerance, $"auxiliary loss of layer {layer}");
            Close.Check(expected.PredictorLoss(layer), program.PredictorLoss(layer), Tolerance, $"predictor loss of layer {layer}");
        }
    }

    /// <summary>Every tensor within the tolerance, besides rounding noise of the whole gradient where a part of it nearly vanishes.</summary>
    /// <param name="model">The model.</param>
    /// <param name="program">The program that has accumulated gradients.</param>
    /// <param name="expected">The interpreter's.</param>
    /// <param name="scale">Factor of the expected ones.</param>
    /// <param name="noise">Share of the whole gradient's norm that any tensor may be off.</param>
    /// <param name="shaken">The interpreter's with parameters off by a last bit: what float32 can make of them. Each tensor may be off by as much, times the roundings on its way.</param>
    public static void CheckGradients(
        DecoderModel model, TrainingProgram program, ModelParameters expected, double scale, double noise = 1e-7, ModelParameters? shaken = null)
    {
        var floor = noise * Close.Norm([.. expected.Names.Select(name => Close.Norm(expected[name]))]);
        foreach (var parameter in model.Parameters.Parameters)
        {
            var actual = new float[parameter.Length];
            Array.Fill(actual, float.NaN);
            program.Read(TrainingState.Gradients, parameter.Offset, actual);
            var own = expected[parameter.Name];
            var sensitivity = shaken is null ? 0 : Close.Norm([.. own.Zip(shaken[parameter.Name], (a, b) => a - b)]);
            Close.Check(Array.ConvertAll(own, g => g * scale), actual, Tolerance, $"gradient of {parameter.Name}", floor + Roundings * sensitivity);
        }
    }

    private static void CheckRouting(EmittedModel emitted, TrainingProgram program, TrainingRun expected)
    {
        for (var layer = 0; layer < emitted.Spec.Layers; layer++)
        {
            if (emitted.Spec.Blocks[layer].Routing is not { } routing)
                continue;
            Close.Check(Array.ConvertAll(expected.Selected(layer), p => (double)p), Doubles(program.Selected(layer)), 0, $"selection of layer {layer}");
            Close.Check(expected.Scores(layer), program.Scores(layer), Tolerance, $"scores of layer {layer}");
            if (routing.PredictorWidth > 0)
                Close.Check(expected.PredictorLogits(layer), program.PredictorLogits(layer), Tolerance, $"predictor logits of layer {layer}");
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
