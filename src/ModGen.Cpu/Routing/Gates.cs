namespace ModGen.Cpu;

/// <summary>
/// The gate g of a routed block, x' = x + g(r)·f, at the selected positions: the identity (the paper's), sigmoid or tanh.
/// Gradients are taken from the gate's value, so nothing else has to be kept.
/// </summary>
public static class Gates
{
    /// <summary>gates = the scores at the selected positions.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="scores">(batch, length).</param>
    /// <param name="indices">(batch, count).</param>
    /// <param name="gates">(batch, count), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void Identity(CpuWorkers workers, ReadOnlySpan<float> scores, ReadOnlySpan<int> indices, Span<float> gates, int batch, int length, int count)
    {
        var selected = Check(workers, scores, indices, gates, batch, length, count);
        for (var i = 0; i < selected; i++)
            gates[i] = scores[i / count * length + indices[i]];
    }

    /// <summary>gates = σ of the scores at the selected positions.</summary>
    /// <inheritdoc cref="Identity"/>
    public static void Sigmoid(CpuWorkers workers, ReadOnlySpan<float> scores, ReadOnlySpan<int> indices, Span<float> gates, int batch, int length, int count)
    {
        Identity(workers, scores, indices, gates, batch, length, count);
        foreach (ref var gate in gates[..(batch * count)])
            gate = 1 / (1 + MathF.Exp(-gate));
    }

    /// <summary>gates = tanh of the scores at the selected positions.</summary>
    /// <inheritdoc cref="Identity"/>
    public static void Tanh(CpuWorkers workers, ReadOnlySpan<float> scores, ReadOnlySpan<int> indices, Span<float> gates, int batch, int length, int count)
    {
        Identity(workers, scores, indices, gates, batch, length, count);
        foreach (ref var gate in gates[..(batch * count)])
            gate = MathF.Tanh(gate);
    }

    /// <summary>dscores = dgates at the selected positions and 0 elsewhere.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="gates">(batch, count), from the forward pass.</param>
    /// <param name="dgates">(batch, count).</param>
    /// <param name="indices">(batch, count).</param>
    /// <param name="dscores">(batch, length), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void IdentityBackward(CpuWorkers workers, ReadOnlySpan<float> gates, ReadOnlySpan<float> dgates, ReadOnlySpan<int> indices, Span<float> dscores, int batch, int length, int count)
    {
        var selected = CheckBackward(workers, gates, dgates, indices, dscores, batch, length, count);
        for (var i = 0; i < selected; i++)
            dscores[i / count * length + indices[i]] = dgates[i];
    }

    /// <summary>dscores = dgates·g·(1 − g) at the selected positions and 0 elsewhere.</summary>
    /// <inheritdoc cref="IdentityBackward"/>
    public static void SigmoidBackward(CpuWorkers workers, ReadOnlySpan<float> gates, ReadOnlySpan<float> dgates, ReadOnlySpan<int> indices, Span<float> dscores, int batch, int length, int count)
    {
        var selected = CheckBackward(workers, gates, dgates, indices, dscores, batch, length, count);
        for (var i = 0; i < selected; i++)
            dscores[i / count * length + indices[i]] = dgates[i] * gates[i] * (1 - gates[i]);
    }

    /// <summary>dscores = dgates·(1 − g²) at the selected positions and 0 elsewhere.</summary>
    /// <inheritdoc cref="IdentityBackward"/>
    public static void TanhBackward(CpuWorkers workers, ReadOnlySpan<float> gates, ReadOnlySpan<float> dgates, ReadOnlySpan<int> indices, Span<float> dscores, int batch, int length, int count)
    {
        var selected = CheckBackward(workers, gates, dgates, indices, dscores, batch, length, count);
        for (var i = 0; i < selected; i++)
            dscores[i / count * length + indices[i]] = dgates[i] * (1 - gates[i]) * (1 + gates[i]);
    }

    private static int Check(CpuWorkers workers, ReadOnlySpan<float> scores, ReadOnlySpan<int> indices, ReadOnlySpan<float> gates, int batch, int length, int count)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Rows.CheckSelection(indices, batch, length, count);
        Guard.Holds(scores, (long)batch * length);
        Guard.Holds(gates, (long)batch * count);
        Guard.Within(indices[..(batch * count)], length, nameof(indices));
        return batch * count;
    }

    private static int CheckBackward(CpuWorkers workers, ReadOnlySpan<float> gates, ReadOnlySpan<float> dgates, ReadOnlySpan<int> indices, Span<float> dscores, int batch, int length, int count)
    {
        var selected = Check(workers, dscores, indices, gates, batch, length, count);
        Guard.Holds(dgates, selected);
        dscores[..(batch * length)].Clear();
        return selected;
    }
}
