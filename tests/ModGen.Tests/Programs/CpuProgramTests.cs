using ModGen.Programs;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Programs;

public sealed class CpuProgramTests : IDisposable
{
    private readonly CpuDevice _device = Device.Cpu(threads: 1);
    private readonly Tiny _model;

    public CpuProgramTests() => _model = Tiny.Create(_device, seed: 1);

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Training_arguments_are_checked()
    {
        using var program = _model.CreateTrainingProgram(2);
        var good = new int[2 * Tiny.Context];
        Assert.Throws<ArgumentException>(() => program.Accumulate(good.AsSpan(1), good, 1, 0));
        Assert.Throws<ArgumentException>(() => program.Evaluate(good, good.AsSpan(1), 0));
        Assert.Throws<ArgumentException>(() => program.Logits(good, new float[5], 0));
        var bad = good.ToArray();
        bad[3] = 256;
        Assert.Throws<ArgumentException>(() => program.Accumulate(bad, good, 1, 0));
        Assert.Throws<ArgumentException>(() => program.Accumulate(good, bad, 1, 0));
        bad[3] = -1;
        Assert.Throws<ArgumentException>(() => program.Accumulate(bad, good, 1, 0));
        program.Accumulate(good, bad, 1, 0);
        program.Dispose();
        Assert.Throws<ObjectDisposedException>(() => program.Evaluate(good, good, 0));
        Assert.Throws<ObjectDisposedException>(() => program.Update(new AdamWUpdate(1, 0, 0, 1, 0, 1, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _model.CreateTrainingProgram(0));
    }

    [Fact]
    public void An_update_clears_the_gradients_and_a_bad_one_keeps_all()
    {
        using var program = _model.CreateTrainingProgram(2);
        var batch = Texts.Random<Tiny>(2, 1);
        program.Accumulate(batch.Tokens, batch.Targets, 1, 0);
        var gradients = new float[_model.Parameters.Length];
        program.Read(TrainingState.Gradients, 0, gradients);
        Assert.Contains(gradients, value => value != 0);
        Assert.True(program.Update(new AdamWUpdate(1e-3f, 0.9f, 0.95f, 1e-8f, 0, 1, 1)) > 0);
        program.Read(TrainingState.Gradients, 0, gradients);
        Assert.All(gradients, value => Assert.Equal(0, value));

        program.Write(TrainingState.Gradients, 7, [float.NaN]);
        var before = Texts.Weights(_model);
        Assert.True(double.IsNaN(program.Update(new AdamWUpdate(1e-3f, 0.9f, 0.95f, 1e-8f, 0, 1, 2))));
        Assert.Equal(before, Texts.Weights(_model));
        program.Read(TrainingState.Gradients, 0, gradients);
        Assert.True(float.IsNaN(gradients[7]));
        program.ClearGradients();
        program.Read(TrainingState.Gradients, 0, gradients);
        Assert.Equal(0, gradients[7]);
        Assert.Throws<ArgumentOutOfRangeException>(() => program.Read(TrainingState.FirstMoment, gradients.Length, new float[1]));
    }

    [Fact]
    public void Runs_of_parameters_cover_the_arena_and_respect_decay()
    {
        var table = new ParameterTable();
        var random = new Random(1);
        for (var i = 0; i < 40; i++)
            table.Add($"p{i}", [random.Next(1, 30)], Initialization.Zeros, decays: random.Next(2) == 0);
        foreach (var longest in (int[])[1, 7, 1000])
        {
            var runs = ParameterRun.Of(table, longest).ToList();
            Assert.All(runs, run => Assert.InRange(run.Length, 1, longest));
            // What fills up a cache line behind a run belongs to none.
            Assert.All(runs.Zip(runs.Skip(1)), pair => Assert.InRange(pair.Second.Offset - pair.First.Offset - pair.First.Length, 0, 15));
            foreach (var parameter in table.Parameters)
                for (var element = parameter.Offset; element < parameter.Offset + parameter.Length; element++)
                    Assert.Equal(parameter.Decays, runs.Single(run => element >= run.Offset && element < run.Offset + run.Length).Decays);
        }
    }

    [Fact]
    public void Inference_arguments_are_checked()
    {
        using var program = _model.CreateInferenceProgram(2, 8);
        var logits = new float[256];
        Assert.Contains("9 rows", Refused(() => program.Extend(new int[9], new int[9], [], [], 0)), StringComparison.Ordinal);
        Refused(() => program.Extend([1, 2], [0], [], [], 0));
        Assert.Contains("stand together", Refused(() => program.Extend([1, 2, 3], [0, 1, 0], [], [], 0)), StringComparison.Ordinal);
        Assert.Contains("Token 256", Refused(() => program.Extend([256], [0], [], [], 0)), StringComparison.Ordinal);
        Refused(() => program.Extend([1, 2], [0, 0], [1, 0], new float[512], 0));
        Refused(() => program.Extend([1, 2], [0, 0], [2], logits, 0));
        Refused(() => program.Extend([1, 2], [0, 0], [1], new float[255], 0));
        Refused(() => program.Extend([1, 2], [0, 0], [], [], 0, [1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => program.Extend([1], [2], [], [], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => program.Length(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => program.Entered(0).Length);
        Assert.Equal(0, program.Length(0) + program.Length(1));
        program.Extend(new int[8], new int[8], [7], logits, 0);
        program.Extend(new int[8], new int[8], [], [], 0);
        var full = Refused(() => program.Extend([1], [0], [], [], 0));
        Assert.Contains("holds 16 tokens and would get 1 more; Context 16", full, StringComparison.Ordinal);
        Assert.Equal(16, program.Length(0));
        program.Extend([], [], [], [], 0);
        program.Dispose();
        Assert.Throws<ObjectDisposedException>(() => program.Extend([1], [1], [], [], 0));
    }

    [Fact]
    public void Caches_of_routed_layers_are_short_and_decisions_can_be_forced()
    {
        using var program = (CpuInferenceProgram)_model.CreateInferenceProgram(2, 8);
        program.Extend([128, 127, 129], [0, 0, 0], [], [], 0);
        Assert.Equal([0, 0, 1], program.Entered(1).ToArray()); // a probability of exactly one half does not enter
        program.Clear(0);
        program.Extend([200, 1, 129, 2], [0, 0, 0, 1], [], [], 0);
        Assert.Equal([1, 0, 1, 0], program.Entered(1).ToArray());
        Assert.Equal((3, 1), (program.Length(0), program.Length(1)));
        Assert.Equal((3, 2, 1, 0), (program.CacheLength(0, 0), program.CacheLength(1, 0), program.CacheLength(0, 1), program.CacheLength(1, 1)));
        program.Extend([200, 1], [0, 1], [], [], 0, forced: [0, 1]);
        Assert.Equal([0, 1], program.Entered(1).ToArray());
        Assert.Equal((2, 1), (program.CacheLength(1, 0), program.CacheLength(1, 1)));
        program.Extend([200, 1], [0, 1], [], [], 0);
        Assert.Equal([1, 0], program.Entered(1).ToArray());
        program.Clear(0);
        Assert.Equal((0, 0, 0, 3), (program.Length(0), program.CacheLength(0, 0), program.CacheLength(1, 0), program.Length(1)));
        Assert.True(program.CacheBytes > 0);
    }

    [Fact]
    public void An_arena_gives_aligned_zeroed_memory_and_no_more()
    {
        using var arena = new Arena(1000);
        Assert.All(arena.Span(0, 1000).ToArray(), value => Assert.Equal(0, value));
        unsafe
        {
            fixed (float* start = arena.Span(0, 1))
                Assert.Equal(0u, (nuint)start % 64);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => arena.Span(999, 2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => arena.Span(-1, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => arena.Span(0, -1).Length);
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(() => arena.Span(0, 1).Length);
        Assert.Throws<InsufficientMemoryException>(() => new Arena(1L << 50));
    }

    private static string Refused(Action action) => Assert.Throws<ArgumentException>(action).Message;
}
