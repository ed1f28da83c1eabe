using System.Reflection;

namespace ModGen.Oracle.Tests;

/// <inheritdoc cref="TrainingParityTests"/>
public sealed class TrainingParityOnCpu : TrainingParityTests
{
    private protected override TestDevice On => TestDevice.Cpu;
}

/// <inheritdoc cref="TrainingParityTests"/>
public sealed class TrainingParityOnCuda : TrainingParityTests
{
    private protected override TestDevice On => TestDevice.Cuda;
}

/// <inheritdoc cref="TrainingParityTests"/>
public sealed class TrainingParityOnCudaBFloat16 : TrainingParityTests
{
    private protected override TestDevice On => TestDevice.CudaBFloat16;
}

/// <summary>A training step of the emitted code is the interpreter's: losses, routing, logits and every gradient.</summary>
public abstract class TrainingParityTests
{
    private protected abstract TestDevice On { get; }

    public static TheoryData<string> Features => [.. TestSpec.Features.Keys];

    public static TheoryData<Type> Controls => [.. typeof(Specs.Dense).Assembly.GetTypes()
        .Where(t => t.GetCustomAttribute<DecoderAttribute>() is { Vocabulary: < 1000, Width: < 512 })];

    [Theory]
    [MemberData(nameof(Features))]
    public void EveryFeatureComputesWhatItsGraphSays(string feature)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(TestSpec.Features[feature]);
        foreach (var sequences in (int[])[1, 2, 5])
            StepComparison.Check(emitted, emitted.Graph, sequences, seed: 10 + sequences, on: On);
    }

    [Theory]
    [MemberData(nameof(Controls))]
    public void EveryControlComputesWhatItsGraphSays(Type type)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(type);
        StepComparison.Check(emitted, emitted.Graph, seed: 3, on: On);
    }

    [Fact]
    public void ScaledGradientsAddUp()
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(TestSpec.Features["both"]);
        var parameters = ModelParameters.Random(emitted.Graph, seed: 1);
        using var model = emitted.Create(parameters, On);
        using var program = model.CreateTrainingProgram(2);
        var interpreter = new ModelInterpreter(emitted.Graph);
        var (sum, rounded) = (ModelParameters.Zeros(emitted.Graph), ModelParameters.Zeros(emitted.Graph));
        foreach (var (seed, scale) in ((int, float)[])[(1, 0.25f), (2, 0.75f)])
        {
            var batch = StepComparison.RandomBatch(emitted.Graph, 2, seed);
            program.Accumulate(batch.Tokens, batch.Targets, scale, batch.Draw);
            batch = batch with { Selected = StepComparison.Selections(emitted, program) };
            AddTo(sum, scale, batch);
            AddTo(rounded, scale, batch with { RoundsOperands = On.Accuracy.RoundsOperands });
        }

        StepComparison.CheckGradients(model, program, sum, 1, shaken: () => rounded, within: On.Accuracy);

        void AddTo(ModelParameters total, float scale, ModelInterpreter.Batch batch)
        {
            var gradients = interpreter.Run(parameters, batch, backward: true).Gradients!;
            foreach (var name in total.Names)
                for (var i = 0; i < total[name].Length; i++)
                    total[name][i] += scale * gradients[name][i];
        }
    }

    /// <summary>A step that moves nothing leaves nothing behind either: the next one's gradients are its own.</summary>
    [Theory]
    [MemberData(nameof(Features))]
    public void TheNextStepBeginsWithoutTheLastOnesGradients(string feature)
    {
        _ = On.Device;
        StepComparison.CheckNextStep(EmittedModel.Of(TestSpec.Features[feature]), On);
    }
}
