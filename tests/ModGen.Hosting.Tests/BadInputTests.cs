namespace ModGen.Hosting.Tests;

public sealed class BadInputTests
{
    [Theory]
    [InlineData("train --steps 0", "--steps is '0'; it must be 1 or more.")]
    [InlineData("train --steps many", "--steps is 'many'")]
    [InlineData("train --steps 5 --minutes 1", "--steps and --minutes both say how long to train; give one.")]
    [InlineData("train --minutes -1", "--minutes is '-1'; it must be above 0")]
    [InlineData("train --lr NaN", "--lr is 'NaN'; it must be above 0.")]
    [InlineData("train --lr 0", "--lr is '0'")]
    [InlineData("train --batch 0", "--batch is '0'")]
    [InlineData("train --batch 6 --accumulate 4", "--batch 6 cannot be cut into --accumulate 4 equal micro-batches")]
    [InlineData("train --steps 3 --warmup 9", "--warmup 9 is longer than --steps 3.")]
    [InlineData("train --clip -1", "--clip is '-1'")]
    [InlineData("train --seed -1", "--seed is '-1'")]
    [InlineData("train --nonsense", "--nonsense")]
    [InlineData("train --device tpu", "--device is 'tpu'; it must be cpu, cuda, or cuda:N with the number of a GPU.")]
    [InlineData("train --device cuda:", "--device is 'cuda:'; it must be")]
    [InlineData("sample --device cuda:one", "--device is 'cuda:one'; it must be")]
    [InlineData("eval --device cuda:-1", "--device is 'cuda:-1'; it must be")]
    [InlineData("bench --device cuda:99999999999", "--device is 'cuda:99999999999'; it must be")]
    [InlineData("train --precision float16", "--precision is 'float16'; it must be bfloat16 or float32.")]
    [InlineData("inspect --precision half", "--precision is 'half'; it must be")]
    [InlineData("train --device cpu --precision bfloat16", "--precision bfloat16 is of GPUs; the CPU computes in float32.")]
    [InlineData("train --threads 4096", "--threads is '4096'")]
    [InlineData("sample --temperature -0.5", "--temperature is '-0.5'")]
    [InlineData("sample --top-p 0", "--top-p is '0'; it must be above 0 and at most 1.")]
    [InlineData("sample --top-p 1.5", "--top-p is '1.5'")]
    [InlineData("sample --top-k -1", "--top-k is '-1'")]
    [InlineData("sample --repetition-penalty 0", "--repetition-penalty is '0'")]
    [InlineData("sample --tokens 0", "--tokens is '0'")]
    [InlineData("sample --count 0", "--count is '0'")]
    [InlineData("eval --sequences 0", "--sequences is '0'")]
    [InlineData("bench --seconds 0", "--seconds is '0'")]
    [InlineData("bench --enter 1.01", "--enter is '1.01'; it must be 0 to 1.")]
    [InlineData("bench --enter -0.1", "--enter is '-0.1'")]
    [InlineData("bench --enter NaN", "--enter is 'NaN'")]
    [InlineData("bench --position 0", "--position is '0'; it must be 1 or more.")]
    [InlineData("bench --texts 0", "--texts is '0'; it must be 1 to 4096.")]
    [InlineData("train --resume --fresh", "--resume goes on and --fresh begins anew; give one.")]
    [InlineData("train --data ", "--data is empty; give a path.")]
    [InlineData("train --report ", "--report is empty; give a path.")]
    [InlineData("inspect --source ", "--source is empty; give a path.")]
    [InlineData("inspect --kernels ", "--kernels is empty; give a path.")]
    [InlineData("train --checkpoint ", "--checkpoint is empty; name a folder.")]
    [InlineData("fly", "fly")]
    public async Task Impossible_options_give_one_line_that_names_them(string line, string message)
    {
        using var harness = new Harness();
        var outcome = await harness.Run(line.Split(' '));
        Assert.Equal(2, outcome.Code);
        Assert.StartsWith("error: ", outcome.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(outcome.Out);
    }

    [Theory]
    [InlineData("train")]
    [InlineData("bench")]
    public async Task A_GPU_that_is_not_there(string verb)
    {
        using var harness = new Harness();
        Refused(await harness.Run(verb, "--device", "cuda:63", "--checkpoint", harness.Checkpoints), 1, "--device cuda:63 cannot be used: ");
    }

    [Fact]
    public async Task A_share_of_tokens_for_a_model_without_routed_layers()
    {
        using var harness = new Harness();
        Refused(await harness.Run<TinyDense>("bench", "--enter", "0.5", "--checkpoint", harness.Checkpoints), 2, "--enter lets tokens into routed layers; ModGen.Hosting.Tests.TinyDense has none.");
    }

    [Fact]
    public async Task A_fresh_run_that_cannot_begin_moves_nothing()
    {
        using var harness = new Harness();
        await harness.Train(2);
        Refused(await harness.Run("train", "--fresh", "--data", Path.Combine(harness.Folder, "missing.txt"), "--checkpoint", harness.Checkpoints), 1, "there is no such file or folder");
        Assert.EndsWith("step-0000000002", harness.NewestCheckpoint, StringComparison.Ordinal);
        Assert.False(Directory.Exists(harness.Checkpoints + ".previous"));
    }

    [Fact]
    public async Task A_missing_text() => await TextIsRefused(path: null, content: null, "there is no such file or folder");

    [Fact]
    public async Task An_empty_text() => await TextIsRefused("empty.txt", [], "the text is empty");

    [Fact]
    public async Task A_text_shorter_than_a_context() => await TextIsRefused("short.txt", "too short"u8.ToArray(), "9 bytes are fewer than the 33 of one context");

    [Fact]
    public async Task A_binary_file() => await TextIsRefused("binary.txt", [.. "text"u8, 0, 1, 2], "byte 4 is 0, so this is no text");

    [Fact]
    public async Task Invalid_utf8() => await TextIsRefused("latin.txt", [.. "caf"u8, 0xE9, .. " au lait"u8], "the bytes at 3 are not UTF-8");

    [Fact]
    public async Task An_empty_folder()
    {
        using var harness = new Harness();
        var folder = Directory.CreateDirectory(Path.Combine(harness.Folder, "nothing")).FullName;
        Refused(await harness.Run("train", "--data", folder, "--checkpoint", harness.Checkpoints), 1, "the folder holds no file");
    }

    [Fact]
    public async Task No_checkpoint()
    {
        using var harness = new Harness();
        foreach (var verb in new[] { "sample", "eval" })
            Refused(await harness.Run(verb == "sample" ? [verb, "--checkpoint", harness.Checkpoints, "--prompt", "a"] : [verb, "--checkpoint", harness.Checkpoints]), 1, "holds no checkpoint; run train first");
        Refused(await harness.Run("train", "--resume", "--data", harness.Data, "--checkpoint", harness.Checkpoints), 1, "holds no checkpoint");
    }

    [Fact]
    public async Task Only_damaged_checkpoints()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var weights = Path.Combine(harness.NewestCheckpoint, "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^100] ^= 1;
        File.WriteAllBytes(weights, bytes);
        var outcome = await harness.Run("sample", "--prompt", "a", "--checkpoint", harness.Checkpoints);
        Assert.Equal(1, outcome.Code);
        Assert.Contains("model.safetensors", outcome.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains("holds no undamaged checkpoint", outcome.ErrorLines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_checkpoint_of_another_model()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var outcome = await harness.Run<TinyDense>("sample", "--prompt", "a", "--checkpoint", harness.Checkpoints);
        Assert.Equal(1, outcome.Code);
        Assert.StartsWith("error: ", Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_longer_than_the_context()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var outcome = await harness.Run("sample", "--prompt", new string('a', 40), "--checkpoint", harness.Checkpoints);
        Refused(outcome, 2, "The prompt has 40 tokens; Context 32 is the most.");
    }

    [Fact]
    public async Task An_empty_prompt()
    {
        using var harness = new Harness();
        await harness.Train(2);
        Refused(await harness.Run("sample", "--prompt", "", "--checkpoint", harness.Checkpoints), 2, "The prompt is empty");
        Refused(await harness.Run("sample", "--checkpoint", harness.Checkpoints), 2, "The prompt is empty");
    }

    [Fact]
    public async Task A_checkpoint_folder_that_is_a_file()
    {
        using var harness = new Harness();
        Refused(await harness.Run("train", "--data", harness.Data, "--checkpoint", harness.Data), 2, "is a file; name a folder");
    }

    [Theory]
    [InlineData("--resume")]
    [InlineData("--fresh")]
    public async Task A_run_within_a_checkpoint(string how)
    {
        using var harness = new Harness();
        await harness.Train(2);
        Refused(await harness.Run("train", how, "--steps", "3", "--data", harness.Data, "--checkpoint", harness.NewestCheckpoint), 2, $"is a checkpoint; name its run's folder, {harness.Checkpoints}.");
    }

    [Fact]
    public async Task A_report_that_cannot_be_written_loses_no_training()
    {
        using var harness = new Harness();
        var outcome = await harness.Run(harness.TrainArguments(2, "--report", Path.Combine(harness.Data, "report.html")));
        Assert.Equal(1, outcome.Code);
        Assert.StartsWith("error: ", Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
        Assert.EndsWith("step-0000000002", harness.NewestCheckpoint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "{", "is not the settings of a run")]
    [InlineData(null, "null", "is not the settings of a run: it is null.")]
    [InlineData("\"batch\": 4", "\"batch\": -4", "batch is -4; it must be 1 or more.")]
    [InlineData("\"accumulate\": 1", "\"accumulate\": 3", "accumulate is 3; it must divide batch, 4.")]
    [InlineData("\"learning_rate\": 0.003", "\"learning_rate\": 1e99", "learning_rate is Infinity; it must be above 0.")]
    [InlineData("\"warm_up\": 2", "\"warm_up\": -2", "warm_up is -2; it must be 0 or more.")]
    [InlineData("\"device\": \"cpu\"", "\"device\": \"tpu\"", "The run's settings name the device 'tpu'; it must be cpu or cuda:N.")]
    public async Task Settings_of_a_run_that_have_no_meaning(string? written, string instead, string message)
    {
        using var harness = new Harness();
        await harness.Train(2, "--device", "cpu");
        var path = Path.Combine(harness.Checkpoints, "run.json");
        var settings = File.ReadAllText(path);
        Assert.Contains(written ?? "", settings, StringComparison.Ordinal);
        File.WriteAllText(path, written is null ? instead : settings.Replace(written, instead, StringComparison.Ordinal));
        Refused(await harness.Run("train", "--resume", "--checkpoint", harness.Checkpoints), 1, message);
    }

    [Fact]
    public async Task Minutes_too_short_to_measure_are_told()
    {
        using var harness = new Harness();
        var outcome = await harness.Run("train", "--data", harness.Data, "--minutes", "1e-9", "--batch", "2", "--eval-sequences", "2", "--checkpoint", harness.Checkpoints, "--json");
        Assert.Equal(0, outcome.Code);
        Assert.Equal("out_of_time", Assert.Single(outcome.Events("done")).GetProperty("reason").GetString());
        Assert.Contains("1E-09 minutes are too short to measure how many steps they hold: stopped at step 0", outcome.ErrorLines[^1], StringComparison.Ordinal);
    }

    private static async Task TextIsRefused(string? path, byte[]? content, string message)
    {
        using var harness = new Harness();
        var text = Path.Combine(harness.Folder, path ?? "missing.txt");
        if (content is not null)
            File.WriteAllBytes(text, content);
        Refused(await harness.Run("train", "--data", text, "--checkpoint", harness.Checkpoints), 1, message);
        Assert.False(Directory.Exists(harness.Checkpoints));
    }

    private static void Refused(Outcome outcome, int code, string message)
    {
        Assert.Equal(code, outcome.Code);
        Assert.Contains(message, Assert.Single(outcome.ErrorLines), StringComparison.Ordinal);
    }
}
