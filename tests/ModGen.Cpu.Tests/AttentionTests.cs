namespace ModGen.Cpu.Tests;

public class AttentionTests
{
    public static TheoryData<int, int, int, int, int> Shapes => new()
    {
        { 1, 1, 1, 1, 2 }, { 2, 5, 2, 1, 6 }, { 1, 33, 3, 3, 16 }, { 2, 64, 4, 2, 32 }, { 1, 100, 2, 2, 64 }, { 1, 97, 6, 2, 10 },
        { 1, 257, 1, 1, 40 }, { 1, 300, 2, 1, 17 }, { 3, 31, 1, 1, 128 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_and_backward_match_plain_attention(int batch, int length, int heads, int keyValueHeads, int width)
    {
        var data = new Data(11);
        var rows = batch * length;
        var stride = (heads + 2 * keyValueHeads) * width;
        float[] qkv = data.Normal(rows * stride), doutput = data.Normal(rows * heads * width);
        var plain = new PlainAttention(qkv, doutput, batch, length, heads, keyValueHeads, width);
        Variants.Check(
            workers =>
            {
                float[] o = Data.Poison(rows * heads * width), lse = Data.Poison(rows * heads), dqkv = Data.Poison(rows * stride);
                CausalAttention.Forward(workers, qkv, o, lse, batch, length, heads, keyValueHeads, width);
                CausalAttention.Backward(workers, qkv, o, lse, doutput, dqkv, batch, length, heads, keyValueHeads, width);
                return [o, lse, dqkv];
            },
            plain.Output, plain.LogSums, plain.Gradient);
    }

    [Fact]
    public void Large_scores_do_not_overflow()
    {
        var data = new Data(12);
        float[] qkv = data.Normal(70 * 48, 12), doutput = new float[70 * 16];
        var plain = new PlainAttention(qkv, doutput, 1, 70, 1, 1, 16);
        Variants.Check(
            workers =>
            {
                float[] o = Data.Poison(70 * 16), lse = Data.Poison(70);
                CausalAttention.Forward(workers, qkv, o, lse, 1, 70, 1, 1, 16);
                return [o];
            },
            plain.Output);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Cached_rows_match_plain_attention_in_one_go_and_one_by_one(int batch, int length, int heads, int keyValueHeads, int width)
    {
        var data = new Data(13);
        var rows = batch * length;
        var stride = (heads + 2 * keyValueHeads) * width;
        var qkv = data.Normal(rows * stride);
        var plain = new PlainAttention(qkv, new float[rows * heads * width], batch, length, heads, keyValueHeads, width);
        var sequences = Enumerable.Range(0, rows).Select(row => row / length).ToArray();
        Variants.Check(
            workers =>
            {
                float[] atOnce = Data.Poison(rows * heads * width), single = Data.Poison(rows * heads * width);
                using var cache = new KeyValueCache(batch, 3, length, keyValueHeads, width);
                using var other = new KeyValueCache(batch, 1, length, keyValueHeads, width);
                var visible = new int[rows];
                cache.Append(qkv, sequences, visible, rows, heads);
                CachedAttention.Forward(workers, qkv, cache, sequences, visible, atOnce, rows, heads, keyValueHeads, width);
                for (var position = 0; position < length; position++)
                {
                    // One row of every sequence at a time, the last sequence first.
                    var step = Enumerable.Range(0, batch).Reverse().Select(b => b * length + position).ToArray();
                    var packed = step.SelectMany(row => qkv.AsSpan(row * stride, stride).ToArray()).ToArray();
                    var of = step.Select(row => row / length).ToArray();
                    var o = Data.Poison(batch * heads * width);
                    other.Append(packed, of, visible, batch, heads);
                    CachedAttention.Forward(workers, packed, other, of, visible, o, batch, heads, keyValueHeads, width);
                    for (var i = 0; i < batch; i++)
                        o.AsSpan(i * heads * width, heads * width).CopyTo(single.AsSpan(step[i] * heads * width));
                }

                return [atOnce, single];
            },
            plain.Output, plain.Output);
    }

    [Fact]
    public void The_cache_counts_clears_and_refuses_what_does_not_fit()
    {
        using var cache = new KeyValueCache(2, 1, 3, 1, 4);
        var row = new float[12];
        var visible = new int[3];
        cache.Append(new float[36], [1, 0, 1], visible, 3, 1);
        Assert.Equal([1, 1, 2], visible);
        Assert.Equal((1, 2), (cache.Length(0), cache.Length(1)));
        cache.Append(row, [1], visible, 1, 1);
        var error = Assert.Throws<InvalidOperationException>(() => cache.Append(row, [1], visible, 1, 1));
        Assert.Contains("already holds 3 entries", error.Message, StringComparison.Ordinal);
        cache.Clear(1);
        Assert.Equal(0, cache.Length(1));
        Assert.True(cache.Bytes >= 2 * 4 * 3 * sizeof(float));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Length(2));
        using var workers = new CpuWorkers(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => CachedAttention.Forward(workers, row, cache, [1], [1], new float[4], 1, 1, 1, 4));
    }
}
