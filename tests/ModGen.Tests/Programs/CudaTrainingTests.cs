using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;
using ModGen.Programs;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Programs;

/// <summary>What training does with a GPU, on a device that does the kernels' work in host memory.</summary>
public sealed class CudaTrainingTests : IDisposable
{
    private readonly FakeMachine _machine = new();
    private readonly CudaDevice _device;

    public CudaTrainingTests()
    {
        CudaTableKernels.Install(_machine.Driver);
        _device = new CudaDevice(_machine.Open());
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public unsafe void Parameters_are_held_twice_except_in_float32(bool float32)
    {
        using var device = new CudaDevice(_machine.Platform.Open(0, float32));
        using var model = CudaTable.Create(device, seed: 3);
        using var cpu = Device.Cpu(1);
        using var other = CudaTable.Create(cpu, seed: 3);
        Assert.Equal(Texts.Weights(other), Texts.Weights(model));
        float[] values = [1.0f, -2.5f, 1 + 1f / 512, 1 + 3f / 512, float.NaN, float.NegativeInfinity, 3.4e38f];
        model.Weights.Write(5, values);
        var read = new float[values.Length];
        model.Weights.Read(5, read);
        Assert.Equal(values, read);
        var memory = CudaParameterMemory.Of(model);
        Assert.Equal(float32, memory.Copy.IsNull);
        Assert.Equal(float32, memory.Operands == memory.Master);
        if (float32)
            return;
        var copy = new ReadOnlySpan<ushort>((void*)memory.Operands.Address, (int)memory.Length);
        var weights = Texts.Weights(model);
        // Ties go to even, NaN stays NaN, what is above the largest bfloat16 becomes infinite.
        Assert.Equal([0x3F80, 0xC020, 0x3F80, 0x3F80 + 1, 0x7FC0, 0xFF80, 0x7F80], Masked(copy.Slice(5, 7)));
        for (var i = 12; i < weights.Length; i++)
            Assert.True(Math.Abs(BFloat16.Widen(copy[i]) - weights[i]) <= Math.Abs(weights[i]) / 256, $"{BFloat16.Widen(copy[i])} for {weights[i]}");
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Weights.Write(memory.Length, [1]));
        Assert.Throws<ArgumentException>(() => model.Weights.Write(model.Parameters.Parameters[1], [1]));
    }

    [Fact]
    public void A_step_is_the_gradient_of_all_micro_batches_and_one_update()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(LearningRate: 0.1f, WeightDecay: 0.5f), new TrainingOptions { Accumulation = 2, ClipNorm = 0 });
        var weights = Texts.Weights(model);
        var batch = Texts.Random<CudaTable>(4, seed: 2);
        var result = trainer.Step(batch);
        var (loss, gradient) = Expected(weights, batch);
        var norm = Math.Sqrt(gradient.Sum(g => g * g));
        Assert.True(Math.Abs(result.Loss - loss) <= 1e-5 * loss, $"{result.Loss} for {loss}");
        Assert.True(Math.Abs(result.GradientNorm - norm) <= 1e-5 * norm, $"{result.GradientNorm} for {norm}");
        Assert.Equal((0.25, 0.0), (result.AuxiliaryLoss, result.PredictorLoss));
        var after = Texts.Weights(model);
        for (var i = 0; i < after.Length; i++)
        {
            // The first step of AdamW is the gradient's sign; gains do not decay.
            var expected = weights[i] - 0.1 * (gradient[i] == 0 ? 0 : Math.Sign(gradient[i]) + 0.0) - 0.1 * (i < CudaTable.Vocabulary ? 0.5 : 0) * weights[i];
            Assert.True(Math.Abs(after[i] - expected) <= 1e-5, $"{after[i]} for {expected} at {i}");
        }
    }

    [Fact]
    public void A_step_allocates_nothing_and_waits_once()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(6, new AdamW(), new TrainingOptions { Accumulation = 3 });
        var batches = Enumerable.Range(0, 4).Select(i => Texts.Random<CudaTable>(6, i)).ToArray();
        trainer.Step(batches[0]);
        trainer.Step(batches[1]);
        _machine.Driver.Calls.Clear();
        trainer.Step(batches[2]);
        trainer.Step(batches[3]);
        var calls = _machine.Driver.Calls;
        Assert.DoesNotContain("cuStreamSynchronize", calls);
        Assert.Equal(8, calls.Count(call => call == "cuGraphLaunch"));
        Assert.DoesNotContain(calls, call => call.Contains("Alloc", StringComparison.Ordinal) || call.StartsWith("cuLaunch", StringComparison.Ordinal) || call.Contains("Module", StringComparison.Ordinal));
        Assert.Equal("cuEventSynchronize", calls.Last(call => call is not "cuCtxSetCurrent"));
    }

    [Fact]
    public void A_step_behind_one_that_diverged_changes_nothing_and_fails_with_it()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(LearningRate: 0.1f), new TrainingOptions { Accumulation = 2 });
        var good = Texts.Random<CudaTable>(4, seed: 2);
        trainer.Step(good);
        model.Weights.Write(7, [float.PositiveInfinity]);
        var (before, position) = (Texts.Weights(model), trainer.DataPosition);
        int[] tokens = [.. Enumerable.Repeat(1, 2 * CudaTable.Context), .. Enumerable.Repeat(7, 2 * CudaTable.Context)];
        int[] others = [.. Enumerable.Repeat(1, 4 * CudaTable.Context)];
        var bad = trainer.Begin(new TokenBatch<CudaTable>(tokens, tokens));
        var behind = trainer.Begin(new TokenBatch<CudaTable>(others, others));
        Assert.Equal((2, 3, 3), (bad.Number, behind.Number, trainer.Steps));
        var error = Assert.Throws<TrainingDivergedException>(() => behind.Wait());
        // Where it came from is found in the gradients of the step that it came from.
        Assert.Equal((2, "model.embed_tokens.weight"), (error.Step, error.Tensor));
        Assert.Same(error, Assert.Throws<TrainingDivergedException>(() => bad.Wait()));
        Assert.Equal(before, Texts.Weights(model));
        Assert.Equal((1, position), (trainer.Steps, trainer.DataPosition));
        model.Weights.Write(7, [1f]);
        Assert.Equal(2, trainer.Step(good).Step);
        Assert.NotEqual(before[0..4], Texts.Weights(model)[0..4]);
    }

    [Fact]
    public void A_batch_that_is_refused_leaves_the_step_under_way_as_it_is()
    {
        using var folder = new Fakes.TemporaryFolder();
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(LearningRate: 0.1f), new TrainingOptions { Accumulation = 2 });
        using var other = CudaTable.Create(_device, seed: 1);
        using var alone = other.CreateTrainer(4, new AdamW(LearningRate: 0.1f), new TrainingOptions { Accumulation = 2 });
        var batches = Enumerable.Range(0, 3).Select(i => Texts.Random<CudaTable>(4, i)).ToArray();
        var first = trainer.Begin(batches[0]);
        // The first micro-batch is on its way when the second one is refused.
        int[] tokens = [.. Enumerable.Repeat(1, 2 * CudaTable.Context), .. Enumerable.Repeat(CudaTable.Vocabulary, 2 * CudaTable.Context)];
        Assert.ThrowsAny<ArgumentException>(() => trainer.Begin(new TokenBatch<CudaTable>(tokens, tokens)));
        Assert.Equal(alone.Step(batches[0]) with { Elapsed = default }, first.Wait() with { Elapsed = default });
        Assert.Equal(alone.Step(batches[1]) with { Elapsed = default }, trainer.Step(batches[1]) with { Elapsed = default });
        trainer.Begin(batches[2]);
        alone.Step(batches[2]);
        // A checkpoint is of what has been begun.
        Assert.Equal(3, Checkpoint.FindLatest(Path.GetDirectoryName(trainer.Save(folder.Path))!).Latest!.Step);
        Assert.Equal(Texts.Weights(other), Texts.Weights(model));
    }

    [Fact]
    public void Kernels_are_compiled_once_and_told_of()
    {
        var told = new List<KernelProgress>();
        _device.KernelsLoading = new Told(told);
        for (var again = 0; again < 2; again++)
        {
            using var model = CudaTable.Create(_device, seed: 1);
            using var trainer = model.CreateTrainer(2, new AdamW());
            trainer.Step(Texts.Random<CudaTable>(2, 1));
        }

        Assert.Equal(["adamw_step", "distance", "gradient", "gradient_norm", "guard_norm", "lookup", "note_loss"], told.Select(one => one.Kernel).Order(StringComparer.Ordinal));
        Assert.All(told, one => Assert.False(one.Cached));
        Assert.Equal(7, _machine.Compiler.Compilations);
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_the_step()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(), new TrainingOptions { Accumulation = 2 });
        var good = Texts.Random<CudaTable>(4, seed: 2);
        trainer.Step(good);
        // The second micro-batch alone meets the poisoned number.
        int[] tokens = [.. Enumerable.Repeat(1, 2 * CudaTable.Context), .. Enumerable.Repeat(7, 2 * CudaTable.Context)];
        model.Weights.Write(7, [float.PositiveInfinity]);
        var before = Texts.Weights(model);
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Step(new TokenBatch<CudaTable>(tokens, tokens)));
        Assert.Contains("the loss is ∞", error.Message.Replace("Infinity", "∞", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal((2, "model.embed_tokens.weight"), (error.Step, error.Tensor));
        Assert.Equal(before, Texts.Weights(model));
        Assert.Equal(1, trainer.Steps);
        model.Weights.Write(7, [1f]);
        var gradients = new float[model.Parameters.Length];
        trainer.Program.Read(TrainingState.Gradients, 0, gradients);
        Assert.All(gradients, value => Assert.Equal(0, value));
        Assert.True(double.IsFinite(trainer.Step(good).Loss));
    }

    [Fact]
    public unsafe void A_loss_that_is_not_finite_with_a_gradient_that_is_changes_nothing()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(), new TrainingOptions { Accumulation = 2 });
        trainer.Step(Texts.Random<CudaTable>(4, 1));
        _machine.Driver.Kernels["gradient"] = static _ => { };
        model.Weights.Write(7, [1e30f]);
        var before = Texts.Weights(model);
        int[] tokens = [.. Enumerable.Repeat(7, 2 * CudaTable.Context), .. Enumerable.Repeat(1, 2 * CudaTable.Context)];
        Assert.Contains("the loss is", Assert.Throws<TrainingDivergedException>(() => trainer.Step(new TokenBatch<CudaTable>(tokens, tokens))).Message, StringComparison.Ordinal);
        Assert.Equal(before, Texts.Weights(model));
    }

    [Fact]
    public void Gradients_count_as_zero_after_an_update_and_start_anew_with_each_step()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW(LearningRate: 1e-30f, WeightDecay: 0), new TrainingOptions { Accumulation = 2 });
        var (batch, gradients, again) = (Texts.Random<CudaTable>(4, 1), new float[model.Parameters.Length], new float[model.Parameters.Length]);
        var program = trainer.Program;
        void Pass(int half) => program.Accumulate(batch.Tokens[(half * 2 * CudaTable.Context)..][..(2 * CudaTable.Context)], batch.Targets[(half * 2 * CudaTable.Context)..][..(2 * CudaTable.Context)], 0.5f, 0);
        Pass(0);
        program.Read(TrainingState.Gradients, 0, gradients);
        Assert.Contains(gradients, value => value != 0);
        Pass(1);
        trainer.Step(batch);
        program.Read(TrainingState.Gradients, 0, again);
        Assert.All(again, value => Assert.Equal(0, value));
        Pass(0);
        program.Read(TrainingState.Gradients, 0, again);
        Assert.Equal(gradients, again);
        program.ClearGradients();
        program.Read(TrainingState.Gradients, 0, again);
        Assert.All(again, value => Assert.Equal(0, value));
        program.Write(TrainingState.Gradients, 0, gradients);
        Pass(0);
        program.Read(TrainingState.Gradients, 0, again);
        Assert.All(gradients.Zip(again), pair => Assert.Equal(2 * pair.First, pair.Second, 1e-5f));
    }

    [Fact]
    public void Divergence_names_the_gradient()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        trainer.Program.Write(TrainingState.Gradients, CudaTable.Vocabulary + 1, [float.NaN]);
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Step(Texts.Random<CudaTable>(4, 2)));
        Assert.Contains("gradient of model.norm.weight, element 1: NaN", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Losses_logits_and_reports_are_those_of_the_run()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(2, new AdamW());
        var (first, second) = (Texts.Random<CudaTable>(2, 1), Texts.Random<CudaTable>(2, 2));
        var weights = Texts.Weights(model);
        foreach (var batch in new[] { first, second })
        {
            Assert.Equal(Expected(weights, batch).Loss, trainer.Evaluate([batch]).Loss, 1e-3);
            Assert.Equal(batch.Tokens.ToArray().Select(token => weights[token]), trainer.Program.Scores(1).ToArray());
            Assert.Equal(2, trainer.Program.Selected(1).Length);
        }

        var logits = trainer.Logits(first);
        for (var row = 0; row < logits.Rows; row++)
            Assert.Equal(weights[first.Tokens[row]] + 9, logits[row][9], 1e-6);
        Assert.Throws<ArgumentOutOfRangeException>(() => trainer.Program.AuxiliaryLoss(2));
        Assert.True(trainer.Program.PredictorLogits(1).IsEmpty);
    }

    [Fact]
    public void Many_runs_of_one_step_are_all_recalled()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(40, new AdamW(), new TrainingOptions { Accumulation = 40 });
        var weights = Texts.Weights(model);
        var batch = Texts.Random<CudaTable>(40, seed: 5);
        var expected = Expected(weights, batch).Loss;
        Assert.Equal(expected, trainer.Step(batch).Loss, 1e-5 * expected);
    }

    [Fact]
    public void Checkpoints_go_from_one_device_to_the_other()
    {
        using var folder = new Fakes.TemporaryFolder();
        using var cpu = Device.Cpu(1);
        using var model = CudaTable.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        for (var step = 0; step < 3; step++)
            trainer.Step(Texts.Random<CudaTable>(4, step));
        using var there = CudaTable.Create(cpu, seed: 2);
        using var onCpu = there.CreateTrainer(4, new AdamW());
        onCpu.Load(trainer.Save(folder["gpu"]));
        Assert.Equal(Texts.Weights(model), Texts.Weights(there));
        using var back = CudaTable.Create(_device, seed: 3);
        using var again = back.CreateTrainer(4, new AdamW());
        again.Load(onCpu.Save(folder["cpu"]));
        var next = Texts.Random<CudaTable>(4, 9);
        Assert.Equal(trainer.Step(next) with { Elapsed = default }, again.Step(next) with { Elapsed = default });
        Assert.Equal(Texts.Weights(model), Texts.Weights(back));
    }

    [Fact]
    public void What_does_not_fit_is_said_and_freed()
    {
        using (var model = CudaTable.Create(_device, seed: 1))
        {
            var blocks = _machine.Driver.LiveBlocks;
            _machine.Driver.HeldElsewhere = _machine.Driver.TotalBytes - _machine.Driver.LiveBytes - 1000;
            var error = Assert.Throws<CudaOutOfMemoryException>(() => model.CreateTrainer(4096, new AdamW()));
            Assert.Contains("activations in float32, batch 4096", error.Message, StringComparison.Ordinal);
            Assert.Equal(blocks, _machine.Driver.LiveBlocks);
            _machine.Driver.HeldElsewhere = 0;
            model.CreateTrainer(4, new AdamW()).Dispose();
            Assert.Equal(blocks, _machine.Driver.LiveBlocks);
            using var trainer = model.CreateTrainer(4, new AdamW());
            trainer.Step(Texts.Random<CudaTable>(4, 1));
        }

        Assert.Equal((0, 0), (_machine.Driver.LiveBlocks, _machine.Driver.LiveGraphs));
        using var cpu = Device.Cpu(1);
        using var elsewhere = CudaTable.Create(cpu);
        Assert.Contains("a CUDA program needs a model created on a CUDA device", Assert.Throws<ArgumentException>(() => CudaParameterMemory.Of(elsewhere)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Arguments_are_checked_as_on_the_CPU()
    {
        using var model = CudaTable.Create(_device, seed: 1);
        using var program = model.CreateTrainingProgram(2);
        var good = new int[2 * CudaTable.Context];
        Assert.Throws<ArgumentException>(() => program.Accumulate(good.AsSpan(1), good, 1, 0));
        Assert.Throws<ArgumentException>(() => program.Evaluate(good, [.. good[1..], CudaTable.Vocabulary], 0));
        Assert.Throws<ArgumentException>(() => program.Logits(good, new float[5], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => program.Read(TrainingState.FirstMoment, model.Parameters.Length, new float[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.CreateTrainingProgram(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.CreateTrainingProgram(int.MaxValue));
        program.Dispose();
        Assert.Throws<ObjectDisposedException>(() => program.Accumulate(good, good, 1, 0));
        Assert.Throws<ObjectDisposedException>(() => program.CrossEntropy);
        Assert.Throws<ObjectDisposedException>(() => program.Update(new AdamWUpdate(1, 0, 0, 1, 0, 1, 1)));
    }

    private sealed class Told(List<KernelProgress> told) : IProgress<KernelProgress>
    {
        public void Report(KernelProgress value)
        {
            lock (told)
                told.Add(value);
        }
    }

    private static int[] Masked(ReadOnlySpan<ushort> bits)
    {
        var values = new int[bits.Length];
        for (var i = 0; i < values.Length; i++)
            values[i] = float.IsNaN(BFloat16.Widen(bits[i])) ? 0x7FC0 : bits[i];
        return values;
    }

    private static (double Loss, double[] Gradient) Expected(float[] weights, TokenBatch<CudaTable> batch)
    {
        var (sum, gradient) = (0.0, new double[weights.Length]);
        for (var i = 0; i < batch.Tokens.Length; i++)
        {
            var distance = weights[batch.Tokens[i]] - (double)batch.Targets[i];
            sum += distance * distance;
            gradient[batch.Tokens[i]] += 2 * distance / batch.Tokens.Length;
        }

        return (sum / batch.Tokens.Length, gradient);
    }
}
