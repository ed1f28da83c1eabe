namespace ModGen.Cpu.Tests;

/// <summary>
/// No kernel reads or writes beyond its spans: each ends at a page that may not be touched, so a step too far would end
/// the test process. What runs through is right as well, since the other tests compare the same kernels.
/// </summary>
public class BoundsTests
{
    private readonly List<GuardedMemory> _memory = [];

    public static TheoryData<int, int, int> Sizes => new() { { 1, 1, 1 }, { 2, 17, 5 }, { 3, 33, 67 }, { 13, 31, 35 }, { 29, 65, 19 } };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Kernels_stay_within_their_spans(int rows, int width, int outputs)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs mmap");
        foreach (var bits in Variants.Widths)
        {
            var workers = Variants.Workers(bits, 2);
            Products(workers, rows, width, outputs);
            Norms(workers, rows, width);
            Attention(workers, rows, 2 * width);
            Training(workers, rows, width, outputs);
            _memory.ForEach(memory => memory.Dispose());
            _memory.Clear();
        }
    }

    private void Products(CpuWorkers workers, int rows, int width, int outputs)
    {
        GuardedMemory x = New(rows * width), w = New(outputs * width), y = New(rows * outputs), bias = New(outputs);
        Linear.Forward(workers, x.Span, w.Span, y.Span, rows, width, outputs);
        Finite(y);
        Linear.ForwardAdd(workers, x.Span, w.Span, y.Span, y.Span, rows, width, outputs);
        Linear.ForwardBias(workers, x.Span, w.Span, bias.Span, y.Span, rows, width, outputs);
        Linear.InputGradient(workers, y.Span, w.Span, x.Span, rows, width, outputs);
        Linear.WeightGradient(workers, x.Span, y.Span, w.Span, rows, width, outputs);
        Linear.BiasGradient(workers, y.Span, bias.Span, rows, outputs);
        Finite(y, w, bias);
    }

    private void Norms(CpuWorkers workers, int rows, int width)
    {
        GuardedMemory x = New(rows * width), a = New(rows * width), y = New(rows * width), gain = New(width), rstd = New(rows), dgain = New(width);
        GuardedMemory gateUp = New(2 * rows * width), scores = New(rows);
        RmsNorm.AddForward(workers, x.Span, a.Span, gain.Span, a.Span, y.Span, rstd.Span, rows, width, 1e-5f);
        RmsNorm.BackwardAdd(workers, y.Span, a.Span, gain.Span, rstd.Span, x.Span, x.Span, dgain.Span, rows, width);
        SwiGlu.Forward(workers, gateUp.Span, y.Span, rows, width);
        SwiGlu.Backward(workers, gateUp.Span, y.Span, gateUp.Span, rows, width);
        Silu.Forward(workers, x.Span, y.Span);
        Silu.Backward(workers, x.Span, y.Span, y.Span);
        Router.Scores(workers, x.Span, gain.Span, scores.Span, rows, width);
        Router.Backward(workers, x.Span, gain.Span, scores.Span, y.Span, dgain.Span, rows, width);
        AdamWKernel.Step(workers, x.Span, a.Span, y.Span, New(rows * width, 1).Span, 1e-3f, 0.9f, 0.99f, 1e-8f, 0.1f, 1, 1);
        Assert.True(double.IsFinite(Reduction.SumOfSquares(workers, x.Span)));
        Finite(x, a, y, gateUp, scores, dgain);
    }

    private void Attention(CpuWorkers workers, int length, int width)
    {
        GuardedMemory qkv = New(length * 4 * width), o = New(length * 2 * width), lse = New(2 * length), d = New(length * 2 * width), dqkv = New(length * 4 * width);
        GuardedMemory cos = New(length * width / 2), sin = New(length * width / 2), positions = New(length), sequences = New(length), visible = New(length);
        Rotary.FillTable(cos.Span, sin.Span, length, width, 10_000);
        for (var i = 0; i < length; i++)
            (positions.Integers[i], sequences.Integers[i]) = (i, i % 2);
        Rotary.Forward(workers, qkv.Span, positions.Integers, cos.Span, sin.Span, length, 4 * width, 3, width);
        CausalAttention.Forward(workers, qkv.Span, o.Span, lse.Span, 1, length, 2, 1, width);
        CausalAttention.Backward(workers, qkv.Span, o.Span, lse.Span, d.Span, dqkv.Span, 1, length, 2, 1, width);
        Finite(o, lse, dqkv);
        using var cache = new KeyValueCache(2, 1, length, 1, width);
        cache.Append(qkv.Span, sequences.Integers, visible.Integers, length, 2);
        CachedAttention.Forward(workers, qkv.Span, cache, sequences.Integers, visible.Integers, o.Span, length, 2, 1, width);
        Finite(o);
    }

    private void Training(CpuWorkers workers, int rows, int width, int vocabulary)
    {
        GuardedMemory x = New(rows * width), table = New(vocabulary * width), dx = New(rows * width), dtable = New(vocabulary * width), tokens = New(rows), indices = New(rows), gates = New(rows);
        for (var i = 0; i < rows; i++)
            (tokens.Integers[i], indices.Integers[i]) = (i % vocabulary, i);
        Embedding.Forward(workers, tokens.Integers, table.Span, x.Span, rows, width);
        Embedding.Backward(workers, tokens.Integers, x.Span, dtable.Span, rows, width, vocabulary);
        CrossEntropyHead.ForwardBackward(workers, x.Span, table.Span, tokens.Integers, 1, dx.Span, dtable.Span, rows, width, vocabulary);
        Rows.ScatterAddScaled(workers, x.Span, indices.Integers, dx.Span, gates.Span, x.Span, 1, rows, rows, width);
        Rows.GatherScaleBackward(workers, x.Span, indices.Integers, dx.Span, gates.Span, dx.Span, gates.Span, 1, rows, rows, width);
        TopK.Select(workers, gates.Span, indices.Integers, 1, rows, rows);
        Finite(x, dx, dtable, gates);
    }

    private GuardedMemory New(int length, float? value = null)
    {
        var content = new Data(71 + length).Normal(length);
        if (value is { } same)
            Array.Fill(content, same);
        _memory.Add(new GuardedMemory(content));
        return _memory[^1];
    }

    private static void Finite(params GuardedMemory[] results)
    {
        foreach (var result in results)
            Assert.Equal(-1, Reduction.FirstNonFinite(result.Span));
    }
}
