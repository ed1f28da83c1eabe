using System.Text.Json;

namespace ModGen.Hosting.Tests;

public sealed class SampleTests
{
    [Fact]
    public async Task Greedy_text_follows_the_prompt_and_is_the_same_every_time()
    {
        using var harness = new Harness();
        await harness.Train(5);
        string[] args = ["sample", "--checkpoint", harness.Checkpoints, "--prompt", "The quick", "--tokens", "12", "--temperature", "0"];
        var first = await harness.Run(args);
        var second = await harness.Run(args);
        Assert.Equal(0, first.Code);
        Assert.Equal(first.Out, second.Out);
        Assert.Contains("\nThe quick", first.Out, StringComparison.Ordinal);
        Assert.True(first.Out.Length > first.Out.IndexOf("\nThe quick", StringComparison.Ordinal) + 12);
    }

    [Fact]
    public async Task Json_streams_tokens_and_closes_with_the_text()
    {
        using var harness = new Harness();
        await harness.Train(3);
        var outcome = await harness.Run("sample", "--checkpoint", harness.Checkpoints, "--prompt", "ab", "--tokens", "5", "--json");
        Assert.True(outcome.Code == 0, outcome.Error);
        var tokens = outcome.Events("token");
        Assert.Equal([2, 3, 4, 5, 6], tokens.Select(token => token.GetProperty("position").GetInt32()));
        foreach (var token in tokens)
        {
            var entered = token.GetProperty("entered").EnumerateArray().Select(layer => layer.GetInt32()).ToArray();
            Assert.Equal(entered.Length, token.GetProperty("depth").GetInt32());
            Assert.All(entered, layer => Assert.Contains(layer, new[] { 1, 3 }));
        }

        var text = Assert.Single(outcome.Events("text"));
        Assert.Equal("maximum_tokens", text.GetProperty("finish").GetString());
        Assert.Equal(string.Concat(tokens.Select(token => token.GetProperty("text").GetString())), text.GetProperty("text").GetString());
    }

    [Fact]
    public async Task The_prompt_may_come_on_standard_input()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var outcome = await Harness.Run<Tiny>(
            ["sample", "--checkpoint", harness.Checkpoints, "--tokens", "2"], [], input: "from a pipe", TestContext.Current.CancellationToken);
        Assert.Equal(0, outcome.Code);
        Assert.Contains("\nfrom a pipe", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_texts_come_with_their_depths_and_differ()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var outcome = await harness.Run("sample", "--checkpoint", harness.Checkpoints, "--prompt", "ab", "--tokens", "8", "--count", "3", "--temperature", "1", "--json");
        var texts = outcome.Events("text");
        Assert.Equal(3, texts.Count);
        Assert.All(texts, text => Assert.Equal(2 + 8, text.GetProperty("depths").GetArrayLength()));
        Assert.Equal(3, texts.Select(text => text.GetProperty("text").GetString()).Distinct().Count());
    }

    [Fact]
    public async Task Routing_is_marked_below_each_line_where_there_are_no_colours()
    {
        using var harness = new Harness();
        await harness.Train(2);
        var outcome = await harness.Run("sample", "--checkpoint", harness.Checkpoints, "--prompt", "one\ntwo", "--tokens", "4", "--temperature", "0", "--show-routing");
        var lines = outcome.Out.Split('\n');
        var first = Array.IndexOf(lines, "one");
        Assert.True(first > 0, outcome.Out);
        Assert.Matches("^[.12]{3,4}$", lines[first + 1]);
        Assert.StartsWith("two", lines[first + 2], StringComparison.Ordinal);
        Assert.Contains("Marks: routed blocks that a character went through, of 2", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stop_text_ends_the_text_and_is_not_part_of_it()
    {
        using var harness = new Harness();
        await harness.Train(2);
        string[] args = ["sample", "--checkpoint", harness.Checkpoints, "--prompt", "ab", "--tokens", "10", "--temperature", "0", "--json"];
        var text = Text(await harness.Run(args));
        var stop = text.GetProperty("text").GetString()![2..3];
        var stopped = Text(await harness.Run([.. args, "--stop", stop]));
        Assert.Equal("stop_text", stopped.GetProperty("finish").GetString());
        Assert.DoesNotContain(stop, stopped.GetProperty("text").GetString()!, StringComparison.Ordinal);

        static JsonElement Text(Outcome outcome) => Assert.Single(outcome.Events("text"));
    }

    [Fact]
    public async Task Ctrl_C_ends_a_text()
    {
        using var harness = new Harness();
        await harness.Train(2);
        using var interruption = new CancellationTokenSource();
        await interruption.CancelAsync();
        var outcome = await Harness.Run<Tiny>(["sample", "--checkpoint", harness.Checkpoints, "--prompt", "ab"], [], input: null, interruption.Token);
        Assert.Equal(130, outcome.Code);
        Assert.Equal("Interrupted.", Assert.Single(outcome.ErrorLines));
    }
}
