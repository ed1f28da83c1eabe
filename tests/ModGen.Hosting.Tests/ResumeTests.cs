using ModGen.Hosting.Training;

namespace ModGen.Hosting.Tests;

public sealed class ResumeTests
{
    [Fact]
    public async Task A_run_goes_on_on_the_device_it_began_on_or_says_that_it_cannot()
    {
        using var harness = new Harness();
        await harness.Train(2, "--device", "cpu");
        var settings = TrainSettings.Load(harness.Checkpoints)!;
        Assert.Equal(new DeviceChoice("cpu", CudaPrecision.Float32), settings.Device);
        var resumed = await harness.Run(harness.TrainArguments(3, "--resume"));
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Contains("Device: CPU", resumed.Out, StringComparison.Ordinal);
        (settings with { Steps = 4, Device = new DeviceChoice("cuda:63", CudaPrecision.BFloat16) }).Save(harness.Checkpoints);
        var elsewhere = await harness.Run(harness.TrainArguments(4, "--resume"));
        Assert.True(elsewhere.Code == 0, elsewhere.Error);
        Assert.Contains("warning: the run began on cuda:63, which cannot be used: ", elsewhere.Error, StringComparison.Ordinal);
        Assert.NotEqual("cuda:63", TrainSettings.Load(harness.Checkpoints)!.Device!.Device);
    }

    [Fact]
    public async Task An_interrupted_run_goes_on_bit_for_bit()
    {
        using var whole = new Harness();
        using var halves = new Harness();
        await whole.Train(8);

        var interrupted = await Harness.RunInterrupted<Tiny>(halves.TrainArguments(8, "--log-every", "3"), when: "^step 3/8");
        Assert.Equal(130, interrupted.Code);
        Assert.Contains("Interrupted after step 3", interrupted.Out, StringComparison.Ordinal);
        var resumed = await halves.Run("train", "--resume", "--checkpoint", halves.Checkpoints, "--eval-sequences", "4", "--threads", "2");
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.Contains("Resumed: step 3", resumed.Out, StringComparison.Ordinal);

        foreach (var file in new[] { "model.safetensors", "optimizer.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(whole.NewestCheckpoint, file)), File.ReadAllBytes(Path.Combine(halves.NewestCheckpoint, file)));
        Assert.Equal(File.ReadAllText(Path.Combine(whole.Checkpoints, "losses.csv")), File.ReadAllText(Path.Combine(halves.Checkpoints, "losses.csv")));
    }

    [Fact]
    public async Task A_run_of_minutes_resumes_to_the_steps_it_found()
    {
        using var harness = new Harness();
        string[] args = ["train", "--data", harness.Data, "--checkpoint", harness.Checkpoints, "--minutes", "0.05", "--batch", "2", "--warmup", "8", "--log-every", "10", "--eval-sequences", "2"];
        var interrupted = await Harness.RunInterrupted<Tiny>(args, when: "^step [0-9]+/");
        Assert.Equal(130, interrupted.Code);
        var steps = TrainSettings.Load(harness.Checkpoints)!.Steps!.Value;
        var resumed = await harness.Run("train", "--resume", "--checkpoint", harness.Checkpoints, "--json", "--log-every", "1", "--eval-sequences", "2");
        Assert.True(resumed.Code == 0, resumed.Error);
        Assert.All(resumed.Events("step"), step => Assert.Equal(steps, step.GetProperty("steps").GetInt64()));
    }

    [Fact]
    public async Task Resuming_a_finished_run_asks_for_more_steps()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var outcome = await harness.Run("train", "--resume", "--checkpoint", harness.Checkpoints);
        Assert.Equal(2, outcome.Code);
        Assert.Contains("has done 2 of its 2 steps", Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
        await harness.Train(4, "--resume");
        Assert.EndsWith("step-0000000004", harness.NewestCheckpoint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_resumed_run_cuts_the_batch_that_it_began_with()
    {
        using var harness = new Harness();
        var outcome = await harness.Run("train", "--data", harness.Data, "--steps", "2", "--batch", "6", "--eval-sequences", "2", "--checkpoint", harness.Checkpoints);
        Assert.True(outcome.Code == 0, outcome.Error);
        // 3 does not divide 16, the batch of a run that says nothing.
        outcome = await harness.Run("train", "--resume", "--accumulate", "3", "--steps", "3", "--eval-sequences", "2", "--checkpoint", harness.Checkpoints);
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal((6, 3), (TrainSettings.Load(harness.Checkpoints)!.Batch, TrainSettings.Load(harness.Checkpoints)!.Accumulate));
    }

    [Fact]
    public async Task A_run_on_bytes_that_are_no_text_goes_on_and_is_evaluated()
    {
        using var harness = new Harness();
        File.AppendAllText(harness.Data, "\0");
        await harness.Train(2, "--allow-bytes");
        Assert.DoesNotContain("optimizer", File.ReadAllText(Path.Combine(harness.Checkpoints, "run.json")), StringComparison.Ordinal);
        foreach (var arguments in new[] { ["train", "--resume", "--steps", "3"], new[] { "eval", "--sequences", "2" } })
        {
            var outcome = await harness.Run([.. arguments, "--checkpoint", harness.Checkpoints]);
            Assert.True(outcome.Code == 0, outcome.Error);
        }
    }

    [Fact]
    public async Task Other_text_is_told()
    {
        using var harness = new Harness();
        await harness.Train(2);
        File.AppendAllText(harness.Data, "more");
        var outcome = await harness.Run(harness.TrainArguments(3, "--resume"));
        Assert.Equal(0, outcome.Code);
        Assert.StartsWith("warning: the text has", Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_newest_checkpoint_is_passed_over()
    {
        using var harness = new Harness();
        await harness.Train(4, "--save-every", "2");
        var weights = Path.Combine(harness.NewestCheckpoint, "model.safetensors");
        using (var file = File.OpenWrite(weights))
            file.SetLength(file.Length - 1);
        var outcome = await harness.Run(harness.TrainArguments(6, "--resume"));
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Contains("passed over a damaged checkpoint", Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
        Assert.Contains("Resumed: step 2", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void The_history_keeps_the_last_line_of_a_step_and_drops_what_lies_ahead()
    {
        using var harness = new Harness();
        var history = new TrainingHistory();
        history.Add(1, 5.5);
        history.Add(2, 4.25);
        history.Save(harness.Folder);
        history.AddValidation(4.5);
        history.Add(3, 4);
        history.Save(harness.Folder);
        Assert.Equal([new(1, 5.5, null), new(2, 4.25, 4.5)], TrainingHistory.Load(harness.Folder, lastStep: 2).Points);
        File.AppendAllText(Path.Combine(harness.Folder, "losses.csv"), "4,3.");
        Assert.Equal(3, TrainingHistory.Load(harness.Folder, lastStep: 9).Points.Count);
    }
}
