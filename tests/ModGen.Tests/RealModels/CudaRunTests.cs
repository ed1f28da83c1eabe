using ModGen.Cuda;
using ModGen.Programs;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.RealModels;

/// <summary>
/// Runs on a GPU bit by bit: twice the same, the same across a checkpoint, and the same numbers on both devices. One class a
/// declaration and a precision runs these.
/// </summary>
public abstract class CudaRunTests<TModel>(CudaPrecision precision) : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private static readonly TrainingOptions Options = new() { Seed = 7, Accumulation = 2, Schedule = new LearningRateSchedule(3, 20) };
    private readonly Lazy<CudaDevice> _device = new(() => Device.Cuda(0, precision));

    private CudaDevice OnCuda
    {
        get
        {
            Assert.SkipWhen(CudaContext.WhyUnavailable(0) is not null, CudaContext.WhyUnavailable(0) ?? "");
            return _device.Value;
        }
    }

    public void Dispose()
    {
        if (_device.IsValueCreated)
            _device.Value.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Two_runs_of_one_seed_are_the_same_bit_for_bit()
    {
        var (one, other) = (Train(), Train());
        Assert.Equal(one.Results, other.Results);
        Assert.Equal(one.State, other.State);
        Assert.All(one.Results, result => Assert.True(double.IsFinite(result.Loss) && result.GradientNorm > 0, $"{result}"));

        (List<StepResult> Results, int[][] State) Train()
        {
            using var model = TModel.Create(OnCuda, seed: 1);
            using var trainer = model.CreateTrainer(4, new AdamW(0.01f), Options);
            return (Steps(trainer, 5), StateOf(trainer));
        }
    }

    [Fact]
    public void Steps_begun_behind_others_are_the_same_bit_for_bit()
    {
        using var model = TModel.Create(OnCuda, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(0.01f), Options);
        var expected = Steps(trainer, 6);
        using var again = TModel.Create(OnCuda, seed: 1);
        using var ahead = again.CreateTrainer(4, new AdamW(0.01f), Options);
        var corpus = Corpus<TModel>.OpenText(Texts.Sentences(60));
        PendingStep<TModel>[] steps = [.. corpus.Batches(4, ahead.Seed, ahead.DataPosition).Take(6).Select(ahead.Begin)];
        Assert.Equal(expected, steps.Select(step => step.Wait() with { Elapsed = default }));
        Assert.Equal(StateOf(trainer), StateOf(ahead));
    }

    [Fact]
    public void A_resumed_run_is_the_same_run_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        using var through = TModel.Create(OnCuda, seed: 1);
        using var one = through.CreateTrainer(4, new AdamW(0.01f), Options);
        var results = Steps(one, 8);
        string saved;
        using (var before = TModel.Create(OnCuda, seed: 1))
        using (var first = before.CreateTrainer(4, new AdamW(0.01f), Options))
        {
            Steps(first, 5);
            saved = first.Save(folder.Path);
        }

        using var after = TModel.Create(OnCuda, seed: 2);
        using var second = after.CreateTrainer(4, new AdamW(0.01f), Options);
        second.Load(saved);
        Assert.Equal(results[5..], Steps(second, 3));
        Assert.Equal(StateOf(one), StateOf(second));
    }

    [Fact]
    public void A_checkpoint_of_the_CPU_goes_there_and_back_unchanged()
    {
        using var folder = new TemporaryFolder();
        using var cpu = Device.Cpu(threads: 2);
        using var model = TModel.Create(cpu, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(0.01f), Options);
        Steps(trainer, 2);
        using var there = TModel.Create(OnCuda, seed: 2);
        using var onCuda = there.CreateTrainer(4, new AdamW(0.01f), Options);
        onCuda.Load(trainer.Save(folder["cpu"]));
        Assert.Equal(StateOf(trainer), StateOf(onCuda));
        using var back = TModel.Create(cpu, seed: 3);
        using var again = back.CreateTrainer(4, new AdamW(0.01f), Options);
        again.Load(onCuda.Save(folder["cuda"]));
        Assert.Equal(StateOf(trainer), StateOf(again));
        // And it goes on there: a step of both differs by no more than the precision's rounding.
        var (here, gone) = (Steps(trainer, 1)[0], Steps(onCuda, 1)[0]);
        Assert.Equal(here.Loss, gone.Loss, precision == CudaPrecision.Float32 ? 1e-3 : 5e-2);
    }

    [Fact]
    public void Equal_seeds_sample_equal_texts_alone_and_beside_others()
    {
        using var model = TModel.Create(OnCuda, seed: 1);
        using (var trainer = model.CreateTrainer(4, new AdamW(0.01f), Options))
            Steps(trainer, 5);
        int[][] prompts = [[65, 66, 67], [97], [48, 49, 50, 51, 52, 53, 54]];
        var options = new SamplingOptions(Temperature: 0.9f, TopK: 40, TopP: 0.95f, Seed: 3, MaximumTokens: 12);
        using var sampler = model.CreateSampler(2);
        using var other = model.CreateSampler(2);
        var (texts, again) = (sampler.GenerateBatch(prompts, options), other.GenerateBatch(prompts, options));
        Assert.Equal(texts.Select(text => text.Tokens), again.Select(text => text.Tokens));
        Assert.All(texts, text => Assert.Equal(12, text.Tokens.Count));
    }

    [Fact]
    public void Models_side_by_side_on_one_device_are_as_each_alone()
    {
        const int Threads = 4;
        var alone = Train();
        var together = new int[Threads][][];
        Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, i => together[i] = Train());
        Assert.All(together, state => Assert.Equal(alone, state));

        // All that programs do with a device: parameters written and read, passes captured, steps, texts.
        int[][] Train()
        {
            using var model = TModel.Create(OnCuda, seed: 1);
            using var trainer = model.CreateTrainer(4, new AdamW(0.01f), Options);
            Steps(trainer, 3);
            using var sampler = model.CreateSampler(2);
            var texts = sampler.GenerateBatch([[65, 66, 67], [97]], new SamplingOptions(Temperature: 0.9f, Seed: 3, MaximumTokens: 8));
            return [.. StateOf(trainer), .. texts.Select(text => text.Tokens.ToArray())];
        }
    }

    private static List<StepResult> Steps(Trainer<TModel> trainer, int count)
    {
        var corpus = Corpus<TModel>.OpenText(Texts.Sentences(60));
        return [.. corpus.Batches(4, trainer.Seed, trainer.DataPosition).Take(count).Select(batch => trainer.Step(batch) with { Elapsed = default })];
    }

    /// <summary>Weights and both moments, as bits.</summary>
    private static int[][] StateOf(Trainer<TModel> trainer)
    {
        var (first, second) = (new float[trainer.Model.Parameters.Length], new float[trainer.Model.Parameters.Length]);
        trainer.Program.Read(TrainingState.FirstMoment, 0, first);
        trainer.Program.Read(TrainingState.SecondMoment, 0, second);
        Assert.Contains(second, value => value > 0);
        return [Bits(Texts.Weights(trainer.Model)), Bits(first), Bits(second)];
    }

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);
}

public sealed class DenseRunsInBFloat16() : CudaRunTests<Dense>(CudaPrecision.BFloat16);

public sealed class DenseRunsInFloat32() : CudaRunTests<Dense>(CudaPrecision.Float32);

public sealed class RoutedByRouterRunsInBFloat16() : CudaRunTests<RoutedByRouter>(CudaPrecision.BFloat16);

public sealed class RoutedByRouterRunsInFloat32() : CudaRunTests<RoutedByRouter>(CudaPrecision.Float32);

public sealed class RoutedAtRandomRunsInBFloat16() : CudaRunTests<RoutedAtRandom>(CudaPrecision.BFloat16);

public sealed class RoutedTilesRunsInBFloat16() : CudaRunTests<RoutedTiles>(CudaPrecision.BFloat16);

public sealed class RoutedTilesRunsInFloat32() : CudaRunTests<RoutedTiles>(CudaPrecision.Float32);
