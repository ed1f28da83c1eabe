using ModGen.Programs;
using ModGen.Tests.Fakes;
using ModGen.Tests.RealModels;

namespace ModGen.Tests.Training;

public sealed class TrainerTests : IDisposable
{
    private readonly CpuDevice _device = Device.Cpu(threads: 2);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Learns_what_there_is_to_learn()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(batch: 8, new AdamW(LearningRate: 0.03f));
        var corpus = Corpus<Tiny>.OpenText(Texts.Sentences(400));
        var before = trainer.Evaluate(corpus.ValidationBatches(8));
        foreach (var batch in corpus.Batches(8, seed: 1).Take(150))
            trainer.Step(batch);
        var after = trainer.Evaluate(corpus.ValidationBatches(8));
        Assert.True(after.Loss < before.Loss - 1.5, $"{before.Loss} to {after.Loss}");
        Assert.Equal(corpus.ValidationSequences * Tiny.Context, after.Tokens);
        Assert.Equal(0.5, after.AuxiliaryLoss, 1e-6);
        Assert.Equal(after.Loss / Math.Log(2), after.BitsPerToken, 1e-12);
    }

    [Fact]
    public void Reports_the_step()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(batch: 4, new AdamW(0.5f), new TrainingOptions { Schedule = new LearningRateSchedule(WarmUp: 10) });
        var batch = Texts.Random<Tiny>(4, seed: 1, position: 12);
        var result = trainer.Step(batch);
        Assert.Equal(1, result.Step);
        Assert.Equal(4 * Tiny.Context, result.Tokens);
        Assert.Equal(0.05f, result.LearningRate, 1e-7f);
        Assert.True(result is { Loss: > 4 and < 9, GradientNorm: > 0, AuxiliaryLoss: 0.5, PredictorLoss: 0 }, $"{result}");
        Assert.True(result.Elapsed > TimeSpan.Zero);
        Assert.Equal(16, trainer.DataPosition);
        Assert.Equal(1, trainer.Steps);
    }

    [Fact]
    public void A_step_begun_is_done_where_nothing_runs_ahead()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(batch: 4, new AdamW());
        using var other = Tiny.Create(_device, seed: 1);
        using var alone = other.CreateTrainer(batch: 4, new AdamW());
        var step = trainer.Begin(Texts.Random<Tiny>(4, seed: 1));
        Assert.True(step.IsFinished);
        var weights = Texts.Weights(model);
        Assert.Equal(alone.Step(Texts.Random<Tiny>(4, seed: 1)) with { Elapsed = default }, step.Wait() with { Elapsed = default });
        Assert.Equal(step.Wait(), step.Wait());
        Assert.Equal(Texts.Weights(other), weights);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Micro_batches_add_up_to_the_batch(int accumulation)
    {
        using var whole = Tiny.Create(_device, seed: 1);
        using var parts = Tiny.Create(_device, seed: 1);
        using var one = whole.CreateTrainer(8, new AdamW());
        using var several = parts.CreateTrainer(8, new AdamW(), new TrainingOptions { Accumulation = accumulation });
        Assert.Equal(8 / accumulation, several.MicroBatch);
        for (var step = 0; step < 3; step++)
        {
            var batch = Texts.Random<Tiny>(8, step);
            var (a, b) = (one.Step(batch), several.Step(batch));
            Assert.Equal(a.Loss, b.Loss, 1e-5);
            Assert.True(Math.Abs(a.GradientNorm - b.GradientNorm) <= 1e-5 * a.GradientNorm, $"{a.GradientNorm} {b.GradientNorm}");
        }

        AssertClose(Texts.Weights(whole), Texts.Weights(parts), 1e-4f);
    }

    [Fact]
    public void A_list_of_batches_is_one_step_and_padding_weighs_nothing()
    {
        using var whole = Tiny.Create(_device, seed: 1);
        using var parts = Tiny.Create(_device, seed: 1);
        using var one = whole.CreateTrainer(6, new AdamW());
        using var several = parts.CreateTrainer(2, new AdamW());
        var all = Texts.Random<Tiny>(6, seed: 3);
        var split = Enumerable.Range(0, 3).Select(i => Slice(all, 2 * i, 2)).ToList();
        var padding = new int[2 * Tiny.Context];
        split.Insert(1, new TokenBatch<Tiny>(padding, [.. padding.Select(_ => -1)]));
        var (a, b) = (one.Step(all), several.Step(split));
        Assert.Equal(a.Loss, b.Loss, 1e-5);
        Assert.Equal(a.Tokens, b.Tokens);
        // AdamW and clipping hide the gradient's scale from the weights; the norm shows it.
        Assert.True(Math.Abs(a.GradientNorm - b.GradientNorm) <= 1e-5 * a.GradientNorm, $"{a.GradientNorm} {b.GradientNorm}");
        AssertClose(Texts.Weights(whole), Texts.Weights(parts), 1e-4f);
    }

    [Fact]
    public void Threads_and_repetition_change_no_bit()
    {
        using var single = Device.Cpu(threads: 1);
        using var a = Tiny.Create(_device, seed: 1);
        using var b = Tiny.Create(single, seed: 1);
        using var first = a.CreateTrainer(8, new AdamW());
        using var second = b.CreateTrainer(8, new AdamW());
        for (var step = 0; step < 5; step++)
            Assert.Equal(first.Step(Texts.Random<Tiny>(8, step)) with { Elapsed = default }, second.Step(Texts.Random<Tiny>(8, step)) with { Elapsed = default });
        Assert.Equal(Texts.Weights(a), Texts.Weights(b));
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(8, new AdamW(), new TrainingOptions { Accumulation = 2, Schedule = new LearningRateSchedule(10, 100) });
        var batches = Enumerable.Range(0, 8).Select(i => Texts.Random<Tiny>(8, i)).ToArray();
        trainer.Step(batches[0]);
        trainer.Step(batches[1]);
        Assert.Equal(0, Allocations.Of(() =>
        {
            foreach (var batch in batches)
                trainer.Step(batch);
        }));
    }

    [Fact]
    public void Clips_by_the_global_norm()
    {
        using var free = Tiny.Create(_device, seed: 1);
        using var clipped = Tiny.Create(_device, seed: 1);
        var settings = new AdamW(LearningRate: 1e-2f, Epsilon: 1f, WeightDecay: 0);
        using var a = free.CreateTrainer(4, settings, new TrainingOptions { ClipNorm = 0 });
        using var b = clipped.CreateTrainer(4, settings, new TrainingOptions { ClipNorm = 1e-3f });
        var start = Texts.Weights(free);
        var norm = a.Step(Texts.Random<Tiny>(4, 1)).GradientNorm;
        Assert.Equal(norm, b.Step(Texts.Random<Tiny>(4, 1)).GradientNorm);
        // With ε = 1 the step is nearly linear in the gradient.
        var moved = Distance(start, Texts.Weights(free)) / Distance(start, Texts.Weights(clipped));
        Assert.True(Math.Abs(moved / (norm / 1e-3) - 1) <= 0.2, $"{moved} for {norm}");
    }

    [Fact]
    public void Decays_matrices_and_no_gains()
    {
        using var model = Tiny.Create(_device, seed: 1);
        var start = Texts.Weights(model);
        using var trainer = model.CreateTrainer(4, new AdamW(LearningRate: 0.1f, WeightDecay: 1f, Epsilon: 1e30f));
        trainer.Step(Texts.Random<Tiny>(4, 1));
        var now = Texts.Weights(model);
        foreach (var parameter in model.Parameters.Parameters)
            for (var i = (int)parameter.Offset; i < parameter.Offset + parameter.Length; i++)
                Assert.Equal(parameter.Decays ? start[i] * 0.9f : start[i], now[i], 1e-6f);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Divergence_names_the_weight_and_changes_nothing(float poison)
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        trainer.Step(Texts.Random<Tiny>(4, 1));
        var head = model.Parameters.Parameters[2];
        model.Weights.Write(head.Offset + 17, [poison]);
        var before = Texts.Weights(model);
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Step(Texts.Random<Tiny>(4, 2)));
        Assert.Equal(2, error.Step);
        Assert.Equal("lm_head.weight", error.Tensor);
        Assert.Contains("step 2", error.Message, StringComparison.Ordinal);
        Assert.Contains("weight of lm_head.weight, element 17", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Texts.Weights(model));
        Assert.Equal(1, trainer.Steps);
        model.Weights.Write(head.Offset + 17, [0]);
        Assert.True(double.IsFinite(trainer.Step(Texts.Random<Tiny>(4, 2)).GradientNorm));
    }

    [Fact]
    public void Divergence_names_the_gradient()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        var norm = model.Parameters.Parameters[1];
        trainer.Program.Write(TrainingState.Gradients, norm.Offset + 3, [float.NegativeInfinity]);
        var before = Texts.Weights(model);
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Step(Texts.Random<Tiny>(4, 2)));
        Assert.Equal((1, "model.norm.weight"), (error.Step, error.Tensor));
        Assert.Contains("gradient of model.norm.weight, element 3: -Infinity", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Texts.Weights(model));
        Assert.True(double.IsFinite(trainer.Step(Texts.Random<Tiny>(4, 2)).GradientNorm));
    }

    [Fact]
    public void Refuses_what_does_not_fit()
    {
        using var model = Tiny.Create(_device, seed: 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => model.CreateTrainer(0, new AdamW()));
        var uneven = Assert.Throws<ArgumentException>(() => model.CreateTrainer(8, new AdamW(), new TrainingOptions { Accumulation = 3 }));
        Assert.Contains("8", uneven.Message, StringComparison.Ordinal);
        using var trainer = model.CreateTrainer(4, new AdamW());
        Assert.Throws<ArgumentException>(() => trainer.Step(Texts.Random<Tiny>(3, 1)));
        Assert.Throws<ArgumentException>(() => trainer.Step([]));
        Assert.Throws<ArgumentException>(() => trainer.Evaluate([]));
        var none = new int[4 * Tiny.Context];
        Assert.Throws<ArgumentException>(() => trainer.Step(new TokenBatch<Tiny>(none, [.. none.Select(_ => -1)])));
        trainer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => trainer.Step(Texts.Random<Tiny>(4, 1)));
    }

    [Fact]
    public void Logits_that_no_array_holds_are_refused_with_their_number()
    {
        using var model = Wordy.Create(_device);
        using var trainer = model.CreateTrainer(32, new AdamW());
        var batch = new TokenBatch<Wordy>(new int[32 * Wordy.Context], new int[32 * Wordy.Context]);
        var error = Assert.Throws<ArgumentException>(() => trainer.Logits(batch));
        Assert.Contains("The logits of 32 sequences are 2147483648 numbers", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Logits_are_those_of_the_loss()
    {
        using var model = Tiny.Create(_device, seed: 1);
        using var trainer = model.CreateTrainer(4, new AdamW());
        var batch = Texts.Random<Tiny>(4, 1);
        var logits = trainer.Logits(batch);
        var sum = 0.0;
        for (var row = 0; row < logits.Rows; row++)
            sum += logits.CrossEntropy(row, batch.Targets[row]);
        Assert.Equal(trainer.Evaluate([batch]).Loss, sum / logits.Rows, 1e-4);
        var best = logits.Best(3);
        Assert.True(logits[3].ToArray().All(logit => logit <= logits[3][best]));
    }

    private static TokenBatch<Tiny> Slice(TokenBatch<Tiny> batch, int row, int rows) => new(
        batch.Tokens.Slice(row * Tiny.Context, rows * Tiny.Context).ToArray(), batch.Targets.Slice(row * Tiny.Context, rows * Tiny.Context).ToArray());

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => (double)(x - y) * (x - y)).Sum());

    private static void AssertClose(float[] expected, float[] actual, float tolerance)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"{expected[i]} and {actual[i]} at {i}");
    }
}
