using System.Text.Json;

namespace ModGen.Hosting.Tests;

public sealed class TrainTests
{
    [Fact]
    public async Task Json_tells_the_run_line_by_line()
    {
        using var harness = new Harness();
        var outcome = await harness.Run(harness.TrainArguments(6, "--json", "--log-every", "1", "--eval-every", "3", "--save-every", "3"));
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal(
            ["start", "step", "step", "step", "validation", "saved", "step", "step", "step", "validation", "saved", "done"],
            outcome.Json.Select(line => line.GetProperty("event").GetString()));
        var steps = outcome.Events("step");
        Assert.Equal([1, 2, 3, 4, 5, 6], steps.Select(line => line.GetProperty("step").GetInt32()));
        foreach (var step in steps)
        {
            Assert.InRange(step.GetProperty("loss").GetDouble(), 0.1, 8);
            Assert.True(step.GetProperty("tokens_per_second").GetDouble() > 0);
            // Forward, and twice as much backward.
            Assert.Equal(3 * Tiny.Info.FlopsPerToken, step.GetProperty("flops_per_second").GetDouble() / step.GetProperty("tokens_per_second").GetDouble(), precision: 3);
        }

        // Two steps of warm-up, then a cosine that ends at a tenth.
        var rates = steps.Select(line => line.GetProperty("learning_rate").GetSingle()).ToArray();
        Assert.Equal([0.0015f, 0.003f], rates[..2]);
        Assert.Equal(rates[1..].OrderDescending(), rates[1..]);
        Assert.Equal(0.0003f, rates[^1], tolerance: 1e-9f);
        Assert.Equal("completed", outcome.Json[^1].GetProperty("reason").GetString());
        Assert.Contains("Training ModGen.Hosting.Tests.Tiny", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_lowers_the_loss()
    {
        using var harness = new Harness();
        var outcome = await harness.Run(harness.TrainArguments(60, "--json", "--log-every", "1", "--lr", "0.01"));
        var losses = outcome.Events("step").Select(line => line.GetProperty("loss").GetDouble()).ToArray();
        Assert.InRange(losses[0], 5, 7);
        Assert.InRange(losses[^1], 0.1, losses[0] - 2);
    }

    [Fact]
    public async Task A_run_of_minutes_finds_its_number_of_steps_and_keeps_to_it()
    {
        using var harness = new Harness();
        var outcome = await harness.Run(
            "train", "--data", harness.Data, "--checkpoint", harness.Checkpoints, "--minutes", "0.03", "--batch", "2", "--warmup", "10", "--eval-sequences", "2", "--json", "--log-every", "1");
        Assert.True(outcome.Code == 0, outcome.Error);
        var steps = outcome.Events("step");
        Assert.Equal(JsonValueKind.Null, steps[0].GetProperty("steps").ValueKind);
        var total = Training.TrainSettings.Load(harness.Checkpoints)!.Steps;
        Assert.NotNull(total);
        Assert.Equal(total, steps[^1].GetProperty("steps").GetInt64());
        if (outcome.Json[^1].GetProperty("reason").GetString() == "completed")
            Assert.Equal(total, steps[^1].GetProperty("step").GetInt64());
        else
            Assert.InRange(steps[^1].GetProperty("step").GetInt64(), 10, total.Value);
    }

    [Fact]
    public async Task Accumulation_changes_memory_and_not_the_run()
    {
        using var harness = new Harness();
        var whole = await harness.Run(harness.TrainArguments(3, "--json", "--log-every", "1"));
        var cut = await harness.Run(harness.TrainArguments(3, "--json", "--log-every", "1", "--accumulate", "2", "--fresh"));
        foreach (var (a, b) in whole.Events("step").Zip(cut.Events("step")))
            Assert.Equal(a.GetProperty("loss").GetDouble(), b.GetProperty("loss").GetDouble(), tolerance: 1e-4);
    }

    [Fact]
    public async Task Plain_lines_carry_loss_speed_and_time_left()
    {
        using var harness = new Harness();
        var outcome = await harness.Run(harness.TrainArguments(4, "--log-every", "2"));
        Assert.Equal(0, outcome.Code);
        Assert.Matches(@"step 2/4  loss \d\.\d{4}  norm \d+\.\d\d  lr \d\.\de-\d  [\d.]+ ?k? tokens/s  [\d.]+ [kMG]FLOP/s  0:0\d left", outcome.Out);
        Assert.Matches(@"step 4  validation \d\.\d{4} nats/byte", outcome.Out);
        Assert.Empty(outcome.Error);
    }

    [Fact]
    public async Task Divergence_names_the_step_and_the_tensor_and_keeps_what_was_saved()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var before = File.ReadAllBytes(Path.Combine(harness.NewestCheckpoint, "model.safetensors"));
        var outcome = await harness.Run(harness.TrainArguments(50, "--resume", "--lr", "1e38", "--clip", "0"));
        Assert.Equal(3, outcome.Code);
        Assert.Matches(@"^error: Training diverged at step \d+: .*(weight|gradient) of (model|lm_head)\.", Assert.Single(outcome.ErrorLines));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(harness.NewestCheckpoint, "model.safetensors")));
    }

    [Fact]
    public async Task A_new_run_does_not_mix_with_an_old_one()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var refused = await harness.Run(harness.TrainArguments(3));
        Assert.Equal(2, refused.Code);
        Assert.Contains("--resume", Assert.Single(refused.ErrorLines), StringComparison.Ordinal);
        await harness.Train(3, "--fresh");
        Assert.EndsWith("step-0000000003", harness.NewestCheckpoint, StringComparison.Ordinal);
        Assert.EndsWith("step-0000000002", Checkpoint.FindLatest(harness.Checkpoints + ".previous").Latest!.Folder, StringComparison.Ordinal);
    }
}
