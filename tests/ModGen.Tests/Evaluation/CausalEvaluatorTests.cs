using ModGen.Tests.Fakes;

namespace ModGen.Tests.Evaluation;

public sealed class CausalEvaluatorTests : IDisposable
{
    private readonly CpuDevice _device = Device.Cpu(threads: 2);
    private readonly Tiny _model;

    public CausalEvaluatorTests() => _model = Tiny.Create(_device, seed: 1);

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Compares_both_routings_token_by_token()
    {
        var batches = Enumerable.Range(0, 3).Select(i => Texts.Random<Tiny>(4, i)).ToList();
        using var evaluator = _model.CreateEvaluator(4);
        using var trainer = _model.CreateTrainer(4, new AdamW());
        var report = evaluator.Evaluate(batches);
        Assert.Equal(trainer.Evaluate(batches).Loss, report.TopKLoss, 1e-6);
        // The bigram's routed layer adds nothing: causal routing costs nothing.
        Assert.Equal(report.TopKLoss, report.CausalLoss, 1e-4);
        Assert.Equal((12 * Tiny.Context, 12), (report.Tokens, report.Sequences));

        var layer = Assert.Single(report.Layers);
        var (topK, causal, both, agree) = (0, 0, 0, 0);
        foreach (var tokens in batches.SelectMany(batch => batch.Tokens.ToArray().Chunk(Tiny.Context)))
        {
            var best = tokens.Select((token, i) => (token, i)).OrderByDescending(x => x.token).ThenBy(x => x.i).Take(4).Select(x => x.i).ToHashSet();
            for (var i = 0; i < Tiny.Context; i++)
            {
                topK += best.Contains(i) ? 1 : 0;
                causal += tokens[i] > 128 ? 1 : 0;
                both += best.Contains(i) && tokens[i] > 128 ? 1 : 0;
                agree += best.Contains(i) == tokens[i] > 128 ? 1 : 0;
            }
        }

        var all = 12.0 * Tiny.Context;
        Assert.Equal(1, layer.Layer);
        Assert.Equal(topK / all, layer.Capacity, 1e-12);
        Assert.Equal(causal / all, layer.CausalCapacity, 1e-12);
        Assert.Equal(agree / all, layer.Agreement, 1e-12);
        Assert.Equal(both / (double)causal, layer.Precision, 1e-12);
        Assert.Equal(both / (double)topK, layer.Recall, 1e-12);
        Assert.Equal(layer.Capacity, layer.TopKByPosition.Average(), 1e-12);
        Assert.Equal(layer.CausalCapacity, layer.CausalByPosition.Average(), 1e-12);
        Assert.Equal(batches[0].Tokens[..Tiny.Context].ToArray(), report.Example.Tokens);
        Assert.Equal(0.25, report.Example.TopK.Share(1), 1e-12);
    }

    [Fact]
    public void Padding_is_passed_over()
    {
        var corpus = Corpus<Tiny>.OpenText(Texts.Sentences(60), 0.3);
        using var by3 = _model.CreateEvaluator(3);
        using var by7 = _model.CreateEvaluator(7);
        var (a, b) = (by3.Evaluate(corpus.ValidationBatches(3)), by7.Evaluate(corpus.ValidationBatches(7)));
        Assert.Equal(corpus.ValidationSequences, a.Sequences);
        Assert.Equal(a.Sequences, b.Sequences);
        Assert.Equal(a.TopKLoss, b.TopKLoss, 1e-6);
        Assert.Equal(a.CausalLoss, b.CausalLoss, 1e-6);
        Assert.Equal(a.Layers[0].Agreement, b.Layers[0].Agreement, 1e-12);
    }

    [Fact]
    public void Refuses_nothing_and_what_does_not_fit()
    {
        using var evaluator = _model.CreateEvaluator(4);
        Assert.Throws<ArgumentException>(() => evaluator.Evaluate([]));
        Assert.Throws<ArgumentException>(() => evaluator.Evaluate([Texts.Random<Tiny>(3, 1)]));
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => evaluator.Evaluate([Texts.Random<Tiny>(4, 1)], cancellation: source.Token));
    }
}
