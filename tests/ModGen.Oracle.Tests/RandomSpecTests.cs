using System.Collections.Concurrent;
using System.Globalization;
using ModGen.Programs;

namespace ModGen.Oracle.Tests;

/// <inheritdoc cref="RandomSpecTests"/>
public sealed class RandomSpecsOnCpu : RandomSpecTests
{
    private protected override TestDevice On => TestDevice.Cpu;
}

/// <inheritdoc cref="RandomSpecTests"/>
public sealed class RandomSpecsOnCuda : RandomSpecTests
{
    private protected override TestDevice On => TestDevice.Cuda;
}

/// <inheritdoc cref="RandomSpecTests"/>
public sealed class RandomSpecsOnCudaBFloat16 : RandomSpecTests
{
    private protected override TestDevice On => TestDevice.CudaBFloat16;
}

/// <summary>
/// Models drawn at random: each compiles without a word from the compiler, trains two steps to the interpreter's losses,
/// and samples what it trained. Of rounded operands it is one step: AdamW makes more of a gradient's rounding than the rounding
/// was. MODGEN_SWEEP=1000 draws as many, MODGEN_SWEEP=1-125 those alone, so that several processes can share a sweep.
/// </summary>
public abstract class RandomSpecTests
{
    private protected abstract TestDevice On { get; }

    private const int Usual = 60;
    private const int ModelsOfAnAssembly = 35;

    /// <summary>Softmaxes that saturate leave a gradient of query and key that is a small difference of what flows through the values.</summary>
    private const double Noise = 1e-6;

    /// <summary>Large enough that AdamW does not make a step of the rounding noise of a gradient that vanishes.</summary>
    private const float Epsilon = 1e-3f;

    /// <summary>Found by a sweep: the gradient, the second step's, or a few rows' logits (163, on a GPU) answer the last bits of the parameters with more than the tolerance.</summary>
    private static readonly int[] Found = [163, 266, 274, 297, 385, 567, 607, 678, 837, 965];

    private static readonly int[] Drawn = Draw(Environment.GetEnvironmentVariable("MODGEN_SWEEP"));

    private static readonly ConcurrentDictionary<int, Lazy<IReadOnlyList<EmittedModel>>> Assemblies = new();

    public static TheoryData<int> Seeds => [.. Drawn];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void AModelTrainsAndSamplesAsItsGraphSays(int seed)
    {
        _ = On.Device;
        var emitted = ModelOf(seed);
        try
        {
            if (On.Accuracy.RoundsOperands)
                StepComparison.Check(emitted, emitted.Graph, sequences: 1 + seed % 4, seed: seed + 1, on: On);
            else
                TrainTwoSteps(emitted, sequences: 1 + seed % 4, seed);
            CausalComparison.CheckAgainstParallel(emitted, emitted.Graph, seed, On);
        }
        catch (Exception e) when (e is MismatchException)
        {
            throw new MismatchException($"{e.Message}\n{emitted.Spec}");
        }
    }

    private static int[] Draw(string? sweep)
    {
        if (string.IsNullOrEmpty(sweep))
            return [.. Found.Union(Enumerable.Range(1, Usual))];
        var numbers = Array.ConvertAll(sweep.Split('-'), text => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture));
        return numbers switch
        {
            [var count] => [.. Found.Union(Enumerable.Range(1, count))],
            [var from, var to] => [.. Enumerable.Range(from, to - from + 1)],
            _ => throw new ArgumentException($"MODGEN_SWEEP is '{sweep}'; it must be a number of models, or FROM-TO."),
        };
    }

    private static EmittedModel ModelOf(int seed)
    {
        var (assembly, place) = Math.DivRem(Array.IndexOf(Drawn, seed), ModelsOfAnAssembly);
        return Assemblies.GetOrAdd(assembly, a => new(() => EmittedModel.Compile(
            [.. Drawn.Chunk(ModelsOfAnAssembly).ElementAt(a).Select(s => new RandomSpecs(s).Draw())]))).Value[place];
    }

    private void TrainTwoSteps(EmittedModel emitted, int sequences, int seed)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed);
        using var model = emitted.Create(parameters, On);
        using var program = model.CreateTrainingProgram(sequences);
        var interpreter = new ModelInterpreter(emitted.Graph);
        var optimizer = new AdamWReference(parameters) { LearningRate = 0.01, Beta1 = 0.9, Beta2 = 0.95, Epsilon = Epsilon, WeightDecay = 0.1, ClipNorm = 1 };
        var decays = model.Parameters.Parameters.Where(p => p.Decays).Select(p => p.Name).ToHashSet();
        for (var step = 1; step <= 2; step++)
        {
            var batch = StepComparison.RandomBatch(emitted.Graph, sequences, seed + step);
            program.Accumulate(batch.Tokens, batch.Targets, 1, batch.Draw);
            batch = batch with { Selected = StepComparison.Selections(emitted, program) };
            var expected = interpreter.Run(parameters, batch, backward: true);
            StepComparison.CheckLosses(program, expected, emitted.Spec.Layers);
            if (step == 1)
                StepComparison.CheckGradients(model, program, expected.Gradients!, 1, Noise, () => interpreter.Run(CausalComparison.Jittered(parameters, draw: 1, bits: 24), batch, backward: true).Gradients!);
            program.Update(new AdamWUpdate(0.01f, 0.9f, 0.95f, Epsilon, 0.1f, 1, step));
            optimizer.Update(parameters, expected.Gradients!, decays.Contains);
        }
    }
}
