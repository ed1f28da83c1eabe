using System.Collections.Concurrent;
using System.Globalization;
using ModGen.Programs;

namespace ModGen.Oracle.Tests;

/// <summary>
/// Models drawn at random: each compiles without a word from the compiler, trains two steps to the interpreter's losses,
/// and samples what it trained. MODGEN_SWEEP=1000 draws as many.
/// </summary>
public sealed class RandomSpecTests
{
    private const int Usual = 60;

    private const int ModelsOfAnAssembly = 30;

    private static readonly ConcurrentDictionary<int, Lazy<IReadOnlyList<EmittedModel>>> Models = new();

    /// <summary>Softmaxes that saturate leave a gradient of query and key that is a small difference of what flows through the values.</summary>
    private const double Noise = 1e-6;

    /// <summary>Large enough that AdamW does not make a step of the rounding noise of a gradient that vanishes.</summary>
    private const float Epsilon = 1e-3f;

    public static TheoryData<int> Seeds =>
        [.. Enumerable.Range(1, int.TryParse(Environment.GetEnvironmentVariable("MODGEN_SWEEP"), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : Usual)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void AModelTrainsAndSamplesAsItsGraphSays(int seed)
    {
        var emitted = ModelOf(seed);
        try
        {
            TrainTwoSteps(emitted, sequences: 1 + seed % 4, seed);
            CausalComparison.CheckAgainstParallel(emitted, emitted.Graph, seed);
        }
        catch (Exception e) when (e is MismatchException)
        {
            throw new MismatchException($"{e.Message}\n{emitted.Spec}");
        }
    }

    private static EmittedModel ModelOf(int seed)
    {
        var assembly = (seed - 1) / ModelsOfAnAssembly;
        return Models.GetOrAdd(assembly, a => new(() => EmittedModel.Compile(
            [.. Enumerable.Range(a * ModelsOfAnAssembly + 1, ModelsOfAnAssembly).Select(s => new RandomSpecs(s).Draw())]))).Value[(seed - 1) % ModelsOfAnAssembly];
    }

    private static void TrainTwoSteps(EmittedModel emitted, int sequences, int seed)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed);
        using var model = emitted.Create(parameters);
        using var program = model.CreateTrainingProgram(sequences);
        var interpreter = new ModelInterpreter(emitted.Graph);
        var optimizer = new AdamWReference(parameters) { LearningRate = 0.01, Beta1 = 0.9, Beta2 = 0.95, Epsilon = Epsilon, WeightDecay = 0.1, ClipNorm = 1 };
        var decays = model.Parameters.Parameters.Where(p => p.Decays).Select(p => p.Name).ToHashSet();
        for (var step = 1; step <= 2; step++)
        {
            var batch = StepComparison.RandomBatch(emitted.Graph, sequences, seed + step);
            program.Accumulate(batch.Tokens, batch.Targets, 1, batch.Draw);
            var expected = interpreter.Run(parameters, batch with { Selected = StepComparison.Selections(emitted, program) }, backward: true);
            StepComparison.CheckLosses(program, expected, emitted.Spec.Layers);
            if (step == 1)
                StepComparison.CheckGradients(model, program, expected.Gradients!, 1, Noise);
            var norm = program.Update(new AdamWUpdate(0.01f, 0.9f, 0.95f, Epsilon, 0.1f, 1, step));
            Close.Check(optimizer.Update(parameters, expected.Gradients!, decays.Contains), norm, StepComparison.Tolerance, $"norm of step {step}");
        }
    }
}
