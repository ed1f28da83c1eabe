namespace ModGen.Cpu;

/// <summary>
/// Binary cross-entropy of σ(logit) against membership in the selected set: the auxiliary loss of the router and the loss of
/// the predictor (Raposo et al. 2024, section 3.5).
/// </summary>
public static class RoutingLoss
{
    /// <summary>The mean over all positions, in nats.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="logits">(batch, length).</param>
    /// <param name="indices">(batch, count), ascending within a sequence.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static float Forward(CpuWorkers workers, ReadOnlySpan<float> logits, ReadOnlySpan<int> indices, int batch, int length, int count)
    {
        Check(workers, logits, indices, batch, length, count);
        var total = 0.0;
        foreach (var logit in logits[..(batch * length)])
            total += Math.Max(logit, 0) + double.LogP1(Math.Exp(-Math.Abs((double)logit)));
        for (var i = 0; i < batch * count; i++)
            total -= logits[i / count * length + indices[i]];
        return (float)(total / ((double)batch * length));
    }

    /// <summary>dlogits += weight·(σ(logit) − member) / (batch·length).</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="logits">(batch, length).</param>
    /// <param name="indices">(batch, count), ascending within a sequence.</param>
    /// <param name="dlogits">(batch, length), added to.</param>
    /// <param name="weight">Weight of this loss in the whole.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<float> logits, ReadOnlySpan<int> indices, Span<float> dlogits, float weight, int batch, int length, int count)
    {
        Check(workers, logits, indices, batch, length, count);
        Guard.Holds(dlogits, (long)batch * length);
        var scale = weight / ((float)batch * length);
        for (var i = 0; i < batch * length; i++)
            dlogits[i] += scale / (1 + MathF.Exp(-logits[i]));
        for (var i = 0; i < batch * count; i++)
            dlogits[i / count * length + indices[i]] -= scale;
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<float> logits, ReadOnlySpan<int> indices, int batch, int length, int count)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Rows.CheckSelection(indices, batch, length, count);
        Guard.Holds(logits, (long)batch * length);
        Guard.Within(indices[..(batch * count)], length, nameof(indices));
    }
}
