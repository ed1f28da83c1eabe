namespace ModGen.Oracle.Tests;

/// <inheritdoc cref="TileTests"/>
public sealed class TilesOnCpu : TileTests
{
    private protected override TestDevice On => TestDevice.Cpu;
}

/// <inheritdoc cref="TileTests"/>
public sealed class TilesOnCuda : TileTests
{
    private protected override TestDevice On => TestDevice.Cuda;
}

/// <inheritdoc cref="TileTests"/>
public sealed class TilesOnCudaBFloat16 : TileTests
{
    private protected override TestDevice On => TestDevice.CudaBFloat16;
}

/// <summary>Training and sampling of models as wide as a tile of the tensor cores and wider, which tiny ones never reach.</summary>
public abstract class TileTests
{
    private protected abstract TestDevice On { get; }

    public static TheoryData<string> Models => [.. TestSpec.Tiles.Keys];

    [Theory]
    [MemberData(nameof(Models))]
    public void AStepIsTheInterpreters(string name)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(TestSpec.Tiles[name]);
        StepComparison.Check(emitted, emitted.Graph, sequences: 2, seed: 21, on: On);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void TheNextStepBeginsWithoutTheLastOnesGradients(string name)
    {
        _ = On.Device;
        StepComparison.CheckNextStep(EmittedModel.Of(TestSpec.Tiles[name]), On);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void PiecesReproduceTheParallelLogits(string name)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(TestSpec.Tiles[name]);
        CausalComparison.CheckAgainstParallelInPieces(emitted, on: On);
    }

    public static TheoryData<string> Routers => ["whole tiles", "lanes", "tied"];

    [Theory]
    [MemberData(nameof(Routers))]
    public void OneTextDecidesAsTheInterpreter(string name)
    {
        _ = On.Device;
        var emitted = EmittedModel.Of(TestSpec.Tiles[name]);
        CausalComparison.CheckOneText(emitted, emitted.Graph, tokens: 20, on: On);
    }
}
