using System.Text.RegularExpressions;
using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;
using ModGen.Programs;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.RealModels;

/// <summary>
/// Every call of the driver that a step makes, for real models: what is staged, a graph a pass, what comes back, and one
/// wait. Nothing is allocated, nothing else is waited for, no launch stands outside a graph.
/// </summary>
public abstract class CudaCallTests<TModel> : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private static readonly Regex Multiplies = new("^(linear|swiglu_input|attention)_(?!.*_rows$)");
    private readonly List<string> _calls = new(10_000);
    private CudaDevice? _device;

    private protected abstract CudaPlatform Platform { get; }

    public virtual void Dispose()
    {
        _device?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_training_step(int accumulation)
    {
        using var model = TModel.Create(Open(), seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(0.01f), new TrainingOptions { Accumulation = accumulation });
        // Each of the two staging blocks has been used once, so that every later step makes the same calls.
        trainer.Step(Texts.Random<TModel>(4, seed: 0));
        if (accumulation == 1)
            trainer.Step(Texts.Random<TModel>(4, seed: 1));
        // The event says that the device has read the block that is filled next: it was sent two batches ago.
        string[] accumulate = ["cuEventSynchronize", "cuMemcpyHtoDAsync", "cuEventRecord", "cuGraphLaunch", "cuMemcpyDtoHAsync"];
        string[] update = ["cuMemcpyHtoDAsync", "cuGraphLaunch", "cuMemcpyDtoHAsync", "cuEventRecord"];
        string[] begin = [.. Enumerable.Repeat(accumulate, accumulation).SelectMany(calls => calls), .. update];
        for (var step = 2; step < 6; step++)
        {
            _calls.Clear();
            trainer.Step(Texts.Random<TModel>(4, step));
            Assert.Equal([.. begin, "cuEventSynchronize"], _calls);
        }

        // A step that is begun behind another waits for nothing of it.
        var last = trainer.Begin(Texts.Random<TModel>(4, seed: 6));
        for (var step = 7; step < 10; step++)
        {
            _calls.Clear();
            var next = trainer.Begin(Texts.Random<TModel>(4, step));
            Assert.Equal(begin, _calls);
            _calls.Clear();
            last.Wait();
            Assert.Equal(["cuEventSynchronize"], _calls);
            last = next;
        }
    }

    [Fact]
    public void A_step_of_sampling()
    {
        using var model = TModel.Create(Open(), seed: 1);
        using var program = model.CreateInferenceProgram(2, 8);
        var options = new SamplingOptions(Temperature: 0.8f, TopK: 20, TopP: 0.9f);
        program.Begin(0, [65, 66, 67], options, row: 0);
        program.Begin(1, [97], options, row: 1);
        int[] chosen = [0, 0];
        program.ExtendAndChoose([65, 66, 67, 97], [0, 0, 0, 1], [2, 3], chosen, draw: 1);
        program.ExtendAndChoose(chosen, [0, 1], [0, 1], chosen, draw: 2);
        for (var step = 0; step < 4; step++)
        {
            _calls.Clear();
            program.ExtendAndChoose([chosen[0], chosen[1]], [0, 1], [0, 1], chosen, draw: 3);
            Assert.Equal(["cuGraphLaunch", "cuStreamSynchronize"], _calls);
        }
    }

    [Fact]
    public void Products_and_attention_are_timed_with_their_operations()
    {
        using var model = TModel.Create(Open(), seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(0.01f));
        trainer.Step(Texts.Random<TModel>(4, seed: 0));
        var launches = trainer.Program.TimeLaunches(repeats: 1).Where(launch => Multiplies.IsMatch(launch.Name)).ToList();
        Assert.True(launches.Count > 10);
        Assert.All(launches, launch => Assert.True(launch.Flops > 0, launch.Name));
    }

    private CudaDevice Open()
    {
        Assert.SkipWhen(Platform.WhyUnavailable(0) is not null, Platform.WhyUnavailable(0) ?? "");
        return _device ??= new CudaDevice(Platform.With(driver => new WatchedDriver(driver, _calls)).Open(0, float32: false));
    }
}

/// <summary>The calls to a device that computes nothing, on every machine.</summary>
public abstract class CudaCallsOnFake<TModel> : CudaCallTests<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly FakeMachine _machine = new();

    private protected override CudaPlatform Platform => _machine.Platform;

    public override void Dispose()
    {
        base.Dispose();
        _machine.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>The calls to the driver of this machine.</summary>
public abstract class CudaCallsOnDevice<TModel> : CudaCallTests<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private protected override CudaPlatform Platform => CudaPlatform.Machine;
}

public sealed class DenseCallsOnFake : CudaCallsOnFake<Dense>;

public sealed class RoutedTilesCallsOnFake : CudaCallsOnFake<RoutedTiles>;

public sealed class RoutedAtRandomCallsOnFake : CudaCallsOnFake<RoutedAtRandom>;

public sealed class DenseCallsOnDevice : CudaCallsOnDevice<Dense>;

public sealed class RoutedTilesCallsOnDevice : CudaCallsOnDevice<RoutedTiles>;

public sealed class RoutedAtRandomCallsOnDevice : CudaCallsOnDevice<RoutedAtRandom>;
