using System.Text;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.Sampling;

public sealed class SamplerTests : IDisposable
{
    private readonly CpuDevice _device = Device.Cpu(threads: 2);
    private readonly Tiny _model;

    public SamplerTests() => _model = Tiny.Create(_device, seed: 1);

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_text_ends_where_it_is_told_to()
    {
        using var sampler = _model.CreateSampler();
        var some = sampler.Generate("abc", new SamplingOptions(MaximumTokens: 5));
        Assert.Equal((FinishReason.MaximumTokens, 5, 3), (some.Finish, some.Tokens.Count, some.PromptTokens));
        var full = sampler.Generate("abc");
        Assert.Equal((FinishReason.ContextFull, Tiny.Context - 3), (full.Finish, full.Tokens.Count));
        var none = sampler.Generate(new string('x', Tiny.Context));
        Assert.Equal((FinishReason.ContextFull, 0, ""), (none.Finish, none.Tokens.Count, none.Text));
        Assert.Equal(some.Tokens, full.Tokens.Take(5));
        Assert.Equal(Encoding.UTF8.GetString([.. full.Tokens.Select(token => (byte)token)]), full.Text);
    }

    [Fact]
    public void A_stop_text_ends_the_text_before_it()
    {
        using var sampler = _model.CreateSampler();
        Chain("a", "<stop>");
        var stopped = sampler.Generate("a", new SamplingOptions(Temperature: 0, StopTexts: ["stop", "none"]));
        Assert.Equal((FinishReason.StopText, "<"), (stopped.Finish, stopped.Text));
        Assert.Equal(5, stopped.Tokens.Count);
    }

    [Fact]
    public async Task Tokens_stream_as_they_are_generated()
    {
        using var sampler = _model.CreateSampler();
        var options = new SamplingOptions(Seed: 4, StopTexts: ["\u0001\u0002"]);
        var whole = sampler.Generate("ab", options);
        var streamed = new List<SampledToken<Tiny>>();
        await foreach (var token in sampler.GenerateAsync("ab", options))
        {
            Assert.Equal(2 + streamed.Count, token.Position);
            Assert.Equal(token.Token >= 129, token.Entered(1));
            Assert.True(token.Entered(0));
            Assert.Equal(token.Token >= 129 ? 1 : 0, token.Depth);
            streamed.Add(token);
        }

        Assert.Equal(whole.Tokens, streamed.Select(token => token.Token));
        Assert.Equal(whole.Text, string.Concat(streamed.Select(token => token.Text)));
        Assert.Equal(whole.Finish, streamed[^1].Finish);
        Assert.All(streamed.SkipLast(1), token => Assert.Null(token.Finish));
    }

    [Fact]
    public async Task A_text_can_be_broken_off()
    {
        using var sampler = _model.CreateSampler();
        await foreach (var _ in sampler.GenerateAsync("ab"))
            break;
        using var source = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in sampler.GenerateAsync("ab", null, source.Token))
                await source.CancelAsync();
        });
        Assert.Equal(3, sampler.Generate("ab", new SamplingOptions(MaximumTokens: 3)).Tokens.Count);
    }

    [Fact]
    public async Task Two_texts_at_once_are_refused()
    {
        using var sampler = _model.CreateSampler();
        await using var text = sampler.GenerateAsync("ab").GetAsyncEnumerator();
        await text.MoveNextAsync();
        Assert.Throws<InvalidOperationException>(() => sampler.Generate("x"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void Prompts_of_any_lengths_go_side_by_side(int batch)
    {
        using var sampler = _model.CreateSampler(batch);
        using var single = _model.CreateSampler();
        string[] prompts = ["a", "a longer one", "two", "", "sixteen tokens..", "é", "bc"];
        prompts[3] = "z";
        var options = new SamplingOptions(Temperature: 0, StopTexts: ["Q"]);
        var results = sampler.GenerateBatch(prompts, options);
        Assert.Equal(prompts.Length, results.Count);
        for (var i = 0; i < prompts.Length; i++)
        {
            var alone = single.Generate(prompts[i], options);
            Assert.Equal((alone.Text, alone.Finish, alone.PromptTokens), (results[i].Text, results[i].Finish, results[i].PromptTokens));
            Assert.Equal(alone.Tokens, results[i].Tokens);
            AssertRouting(prompts[i], results[i]);
        }

        Assert.Empty(sampler.GenerateBatch(Array.Empty<string>()));
    }

    [Fact]
    public void Texts_of_a_batch_differ_and_come_again()
    {
        using var sampler = _model.CreateSampler(2);
        var first = sampler.GenerateBatch(["ab", "ab", "ab"], new SamplingOptions(Seed: 1));
        var second = sampler.GenerateBatch(["ab", "ab", "ab"], new SamplingOptions(Seed: 1));
        Assert.Equal(first.SelectMany(text => text.Tokens), second.SelectMany(text => text.Tokens));
        Assert.NotEqual(first[0].Tokens, first[1].Tokens);
        using var single = _model.CreateSampler();
        Assert.Equal(first[0].Tokens, single.Generate("ab", new SamplingOptions(Seed: 1)).Tokens);
    }

    [Fact]
    public void Bad_prompts_are_refused_with_their_numbers()
    {
        using var sampler = _model.CreateSampler();
        Assert.Contains("at least one token", Refused(() => sampler.Generate("")), StringComparison.Ordinal);
        var longer = Refused(() => sampler.Generate(new string('a', 17)));
        Assert.Contains("17", longer, StringComparison.Ordinal);
        Assert.Contains("Context 16", longer, StringComparison.Ordinal);
        Assert.Contains("Token 256", Refused(() => sampler.Generate([1, 256])), StringComparison.Ordinal);
        Assert.Contains("Token -1", Refused(() => sampler.Generate([-1])), StringComparison.Ordinal);
        Assert.Contains("Token 256", Refused(() => sampler.GenerateAsync([256])), StringComparison.Ordinal);
        Refused(() => sampler.GenerateBatch(["a", ""]));
        Assert.Contains("Character 1", Refused(() => sampler.Generate("a\ud800")), StringComparison.Ordinal);
        foreach (var batch in new[] { 0, int.MaxValue })
            Assert.Contains($"batch is {batch}; it must be 1 to ", Assert.Throws<ArgumentOutOfRangeException>(() => _model.CreateSampler(batch)).Message, StringComparison.Ordinal);
        using var letters = Letters.Create(_device);
        using var small = letters.CreateSampler();
        Assert.Contains("Token 97", Refused(() => small.Generate("a")), StringComparison.Ordinal);
        Assert.Single(sampler.Generate("a", new SamplingOptions(MaximumTokens: 1)).Tokens);
    }

    [Fact]
    public void A_batch_is_broken_off_between_tokens_and_leaves_the_sampler_free()
    {
        using var sampler = _model.CreateSampler(2);
        var whole = sampler.GenerateBatch(["ab", "c", "d"]).Select(text => text.Text);
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        Assert.Throws<OperationCanceledException>(() => sampler.GenerateBatch(["ab", "c", "d"], cancellation: cancellation.Token));
        Assert.Throws<OperationCanceledException>(() => sampler.Generate("ab", cancellation: cancellation.Token));
        Assert.Equal(whole, sampler.GenerateBatch(["ab", "c", "d"]).Select(text => text.Text));
    }

    [Fact]
    public void A_parameter_is_found_by_its_name()
    {
        var some = _model.Parameters.Parameters[^1];
        Assert.Same(some, _model.Parameters[some.Name]);
        Assert.Contains("no parameter of.that.name", Assert.Throws<KeyNotFoundException>(() => _ = _model.Parameters["of.that.name"]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_and_layers_that_are_not_there_are_refused()
    {
        using var sampler = _model.CreateSampler();
        var logits = sampler.NextLogits("a");
        foreach (var row in new[] { -1, 1 })
        {
            Assert.Contains($"Row {row} does not exist: there are 1.", Assert.Throws<ArgumentOutOfRangeException>(() => _ = logits[row].Length).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => logits.Best(row));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => logits.CrossEntropy(0, 256));
        var routing = sampler.Generate("a", new SamplingOptions(MaximumTokens: 1)).Routing;
        foreach (var layer in new[] { -1, _model.Description.Layers.Count })
        {
            Assert.Contains($"Layer {layer} does not exist", Assert.Throws<ArgumentOutOfRangeException>(() => routing.Entered(layer, 0)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => routing.Share(layer));
        }

        Assert.Contains("Position 2 is not known", Assert.Throws<ArgumentOutOfRangeException>(() => routing.Depth(2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Next_logits_are_those_of_the_prompts_end()
    {
        using var sampler = _model.CreateSampler();
        using var trainer = _model.CreateTrainer(1, new AdamW());
        var prompt = Encoding.UTF8.GetBytes("sixteen tokens..").Select(value => (int)value).ToArray();
        var expected = trainer.Logits(new TokenBatch<Tiny>(prompt, prompt));
        for (var length = 1; length <= prompt.Length; length++)
        {
            var logits = sampler.NextLogits(prompt[..length]);
            Assert.Equal(1, logits.Rows);
            for (var i = 0; i < 256; i++)
                Assert.True(Math.Abs(expected[length - 1][i] - logits[0][i]) <= 1e-4, $"{length} {i}");
        }
    }

    [Fact]
    public void Many_threads_rent_from_one_pool()
    {
        using var pool = _model.CreateSamplerPool(retained: 3);
        using var single = _model.CreateSampler();
        var expected = Enumerable.Range(0, 8).Select(i => single.Generate($"p{i}", new SamplingOptions(Seed: (ulong)i)).Text).ToArray();
        var errors = 0;
        var samplers = new System.Collections.Concurrent.ConcurrentDictionary<Sampler<Tiny>, bool>();
        var threads = Enumerable.Range(0, 8).Select(i => new Thread(() =>
        {
            for (var round = 0; round < 40; round++)
            {
                using var lease = pool.Rent();
                samplers[lease.Sampler] = true;
                if (lease.Sampler.Generate($"p{i}", new SamplingOptions(Seed: (ulong)i)).Text != expected[i])
                    Interlocked.Increment(ref errors);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Equal(0, errors);
        Assert.True(samplers.Count < 200, $"{samplers.Count} samplers for 320 rents");
    }

    [Fact]
    public async Task A_lease_returns_once_and_a_busy_sampler_not_at_all()
    {
        using var pool = _model.CreateSamplerPool(retained: 2);
        var lease = pool.Rent();
        var sampler = lease.Sampler;
        lease.Dispose();
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Sampler);
        using var one = pool.Rent();
        using var two = pool.Rent();
        Assert.Same(sampler, one.Sampler);
        Assert.NotSame(one.Sampler, two.Sampler);
        var abandoned = pool.Rent();
        var busy = abandoned.Sampler;
        var text = busy.GenerateAsync("a").GetAsyncEnumerator();
        await text.MoveNextAsync();
        abandoned.Dispose();
        using var next = pool.Rent();
        Assert.NotSame(busy, next.Sampler);
        await text.DisposeAsync();
    }

    private static string Refused(Action action) => Assert.Throws<ArgumentException>(action).Message;

    private static void AssertRouting(string prompt, Generation<Tiny> text)
    {
        int[] all = [.. Encoding.UTF8.GetBytes(prompt).Select(value => (int)value), .. text.Tokens];
        Assert.Equal(all.Length, text.Routing.Length);
        Assert.Equal([1], text.Routing.RoutedLayers);
        for (var position = 0; position < all.Length; position++)
            Assert.Equal(all[position] > 128, text.Routing.Entered(1, position));
        Assert.Equal(all.Count(token => token > 128) / (double)all.Length, text.Routing.Share(1), 1e-12);
        Assert.Throws<ArgumentOutOfRangeException>(() => text.Routing.Depth(all.Length));
    }

    /// <summary>Makes the model certain that each character of <paramref name="text"/> follows the one before.</summary>
    private void Chain(string start, string text)
    {
        var embedding = _model.Weights.Read(_model.Parameters.Parameters[0]);
        var head = new float[_model.Parameters.Parameters[2].Length];
        var before = start[0];
        for (var i = 0; i < text.Length; i++)
        {
            embedding.AsSpan(before * 8, 8).Clear();
            embedding[before * 8 + i] = 1;
            head[text[i] * 8 + i] = 10;
            before = text[i];
        }

        _model.Weights.Write(_model.Parameters.Parameters[0], embedding);
        _model.Weights.Write(_model.Parameters.Parameters[2], head);
    }
}
