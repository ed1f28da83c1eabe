namespace ModGen.Cpu;

/// <summary>Scores that nobody learned: the paper's stochastic control of routing (arXiv 2404.02258, section 4).</summary>
public static class RandomRouter
{
    /// <summary>
    /// scores = u − offset with u uniform in [0, 1), 24 bits: a pure function of the draw, the layer, the sequence's index
    /// in the batch and the position.
    /// </summary>
    /// <param name="workers">The threads; the draw is too small to share among them.</param>
    /// <param name="positions">(batch, length) positions.</param>
    /// <param name="scores">(batch, length), overwritten.</param>
    /// <param name="draw">Equal draws give equal scores.</param>
    /// <param name="layer">Layers draw apart from each other.</param>
    /// <param name="offset">With 1 − capacity, a score is positive with the probability of the capacity.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Scores(CpuWorkers workers, ReadOnlySpan<int> positions, Span<float> scores, ulong draw, int layer, float offset, int batch, int length)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Holds(positions, (long)batch * length);
        Guard.Holds(scores, (long)batch * length);
        for (var sequence = 0; sequence < batch; sequence++)
        {
            var key = Mix(Mix(draw + (ulong)layer * 0x9E3779B97F4A7C15) + (ulong)sequence);
            for (var i = sequence * length; i < (sequence + 1) * length; i++)
                scores[i] = (Mix(key + (ulong)positions[i] * 0x9E3779B97F4A7C15) >> 40) * (1f / (1 << 24)) - offset;
        }
    }

    /// <summary>SplitMix64's finalizer.</summary>
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
