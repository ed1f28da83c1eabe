using System.Reflection;

namespace ModGen.Oracle.Tests;

/// <inheritdoc cref="CausalTests"/>
public sealed class CausalOnCpu : CausalTests
{
    private protected override TestDevice On => TestDevice.Cpu;
}

/// <inheritdoc cref="CausalTests"/>
public sealed class CausalOnCuda : CausalTests
{
    private protected override TestDevice On => TestDevice.Cuda;
}

/// <inheritdoc cref="CausalTests"/>
public sealed class CausalOnCudaBFloat16 : CausalTests
{
    private protected override TestDevice On => TestDevice.CudaBFloat16;
}

/// <summary>What is sampled from is what was trained.</summary>
public abstract class CausalTests
{
    private protected abstract TestDevice On { get; }

    public static TheoryData<string> Features => [.. TestSpec.Features.Keys];

    public static TheoryData<Type> Controls => TrainingParityTests.Controls;

    [Theory]
    [MemberData(nameof(Features))]
    public void ForcedRoutingReproducesTheParallelLogits(string feature)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(TestSpec.Features[feature]);
        CausalComparison.CheckAgainstParallel(emitted, emitted.Graph, on: On);
    }

    [Theory]
    [MemberData(nameof(Controls))]
    public void ForcedRoutingReproducesTheParallelLogitsOfControls(Type type)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(type);
        CausalComparison.CheckAgainstParallel(emitted, emitted.Graph, on: On);
    }

    /// <summary>Random routing decides by a draw that is not the interpreter's to repeat row by row.</summary>
    public static TheoryData<Type> Deciding => [.. Controls.Select(row => row.Data).Where(type => type != typeof(Specs.RandomRouting))];

    [Theory]
    [MemberData(nameof(Deciding))]
    public void CausalDecisionsAreTheInterpreters(Type type)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(type);
        CausalComparison.Check(emitted, emitted.Graph, on: On);
    }
}
