namespace ModGen.Cpu;

/// <summary>
/// Causal attention over whole sequences that never builds the (length, length) matrix (Dao et al. 2022): blocks of keys
/// pass under a block of queries, with running maxima and sums.
/// </summary>
public static unsafe class CausalAttention
{
    /// <summary>o = softmax(q·kᵀ / √headWidth, causal)·v for each head.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="qkv">(batch·length, (heads + 2·keyValueHeads)·headWidth): query heads, key heads, value heads.</param>
    /// <param name="o">(batch·length, heads·headWidth), overwritten.</param>
    /// <param name="lse">(batch, heads, length): logarithms of the softmax sums, overwritten; the backward pass reads them.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="keyValueHeads">Key and value heads; query head h uses h / (heads / keyValueHeads).</param>
    /// <param name="headWidth">Width of a head.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or the heads do not divide.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<float> qkv, Span<float> o, Span<float> lse, int batch, int length, int heads, int keyValueHeads, int headWidth)
    {
        var shape = Check(workers, qkv, o, lse, batch, length, heads, keyValueHeads, headWidth);
        fixed (float* px = qkv, po = o, pl = lse)
        {
            var job = new AttentionForwardJob { Qkv = px, O = po, Lse = pl, Shape = shape };
            workers.Run(job, batch * heads, 4L * batch * heads * length * headWidth + (long)batch * heads * length * length * headWidth / 8);
        }
    }

    /// <summary>The gradient with respect to queries, keys and values.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="qkv">As in the forward pass.</param>
    /// <param name="o">From the forward pass.</param>
    /// <param name="lse">From the forward pass.</param>
    /// <param name="doutput">(batch·length, heads·headWidth).</param>
    /// <param name="dqkv">As qkv, overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="keyValueHeads">Key and value heads.</param>
    /// <param name="headWidth">Width of a head.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or the heads do not divide.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<float> qkv, ReadOnlySpan<float> o, ReadOnlySpan<float> lse, ReadOnlySpan<float> doutput, Span<float> dqkv, int batch, int length, int heads, int keyValueHeads, int headWidth)
    {
        var shape = Check(workers, qkv, o, lse, batch, length, heads, keyValueHeads, headWidth);
        Guard.Holds(doutput, (long)batch * length * heads * headWidth);
        Guard.Holds(dqkv, (long)batch * length * shape.Stride);
        fixed (float* px = qkv, po = o, pl = lse, pdo = doutput, pdx = dqkv)
        {
            var job = new AttentionBackwardJob { Qkv = px, O = po, Lse = pl, DO = pdo, DQkv = pdx, Shape = shape };
            workers.Run(job, batch * keyValueHeads, 8L * batch * heads * length * headWidth + (long)batch * heads * length * length * headWidth / 4);
        }
    }

    private static AttentionShape Check(CpuWorkers workers, ReadOnlySpan<float> qkv, ReadOnlySpan<float> o, ReadOnlySpan<float> lse, int batch, int length, int heads, int keyValueHeads, int headWidth)
    {
        ArgumentNullException.ThrowIfNull(workers);
        var shape = new AttentionShape(batch, length, heads, keyValueHeads, headWidth);
        shape.Check();
        Guard.Holds(qkv, (long)batch * length * shape.Stride);
        Guard.Holds(o, (long)batch * length * heads * headWidth);
        Guard.Holds(lse, (long)batch * length * heads);
        return shape;
    }
}
