namespace ModGen.Cpu;

/// <summary>Rows selected by position: gathering, scattering, and a routed block's gated return to the residual stream.</summary>
/// <remarks>Positions are per sequence; scattering expects them distinct, as <see cref="TopK.Select"/> gives them.</remarks>
public static unsafe class Rows
{
    /// <summary>y = the indexed rows of x.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(batch, length, width).</param>
    /// <param name="indices">(batch, count).</param>
    /// <param name="y">(batch, count, width), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void Gather(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<int> indices, Span<float> y, int batch, int length, int count, int width)
    {
        var rows = CheckGather(workers, x, indices, y, batch, length, count, width);
        fixed (float* px = x, py = y)
        fixed (int* pi = indices)
            Run(workers, new RowsJob { Mode = RowsMode.Gather, Long = px, Short = py, Indices = pi, Length = length, Count = count, Width = width, Rows = rows });
    }

    /// <summary>x[index] += y.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="y">(batch, count, width).</param>
    /// <param name="indices">(batch, count), distinct within a sequence.</param>
    /// <param name="x">(batch, length, width), added to.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void ScatterAdd(CpuWorkers workers, ReadOnlySpan<float> y, ReadOnlySpan<int> indices, Span<float> x, int batch, int length, int count, int width)
    {
        var rows = CheckGather(workers, x, indices, y, batch, length, count, width);
        fixed (float* px = x, py = y)
        fixed (int* pi = indices)
            Run(workers, new RowsJob { Mode = RowsMode.ScatterAdd, Long = px, Short = py, Indices = pi, Length = length, Count = count, Width = width, Rows = rows });
    }

    /// <summary>y = x, and y[index] += gate·f for the selected rows. <paramref name="y"/> may be the memory of x.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(batch, length, width).</param>
    /// <param name="indices">(batch, count), distinct within a sequence.</param>
    /// <param name="f">(batch, count, width).</param>
    /// <param name="gates">(batch, count).</param>
    /// <param name="y">(batch, length, width), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void ScatterAddScaled(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<int> indices, ReadOnlySpan<float> f, ReadOnlySpan<float> gates, Span<float> y, int batch, int length, int count, int width)
    {
        var rows = CheckGather(workers, x, indices, f, batch, length, count, width);
        Guard.Holds(gates, rows);
        Guard.Holds(y, (long)batch * length * width);
        fixed (float* px = x, pf = f, pg = gates, py = y)
        fixed (int* pi = indices)
        {
            if (px != py)
                Copying.Run(workers, px, py, (long)batch * length * width);
            Run(workers, new RowsJob { Mode = RowsMode.ScatterAddScaled, Long = py, Short = pf, Gates = pg, Indices = pi, Length = length, Count = count, Width = width, Rows = rows });
        }
    }

    /// <summary>The gradient of the gated return: df = gate·dy[index] and dgates = dy[index]·f.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="dy">(batch, length, width).</param>
    /// <param name="indices">(batch, count).</param>
    /// <param name="f">(batch, count, width), from the forward pass.</param>
    /// <param name="gates">(batch, count), from the forward pass.</param>
    /// <param name="df">(batch, count, width), overwritten; may be the memory of f.</param>
    /// <param name="dgates">(batch, count), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void GatherScaleBackward(CpuWorkers workers, ReadOnlySpan<float> dy, ReadOnlySpan<int> indices, ReadOnlySpan<float> f, ReadOnlySpan<float> gates, Span<float> df, Span<float> dgates, int batch, int length, int count, int width)
    {
        var rows = CheckGather(workers, dy, indices, f, batch, length, count, width);
        Guard.Holds(gates, rows);
        Guard.Holds(df, (long)rows * width);
        Guard.Holds(dgates, rows);
        fixed (float* pdy = dy, pf = f, pg = gates, pdf = df, pdg = dgates)
        fixed (int* pi = indices)
        {
            Run(workers, new RowsJob
            {
                Mode = RowsMode.GatherScaleBackward, Long = pdy, Short = pf, Gates = pg, ShortGradient = pdf, GateGradient = pdg,
                Indices = pi, Length = length, Count = count, Width = width, Rows = rows,
            });
        }
    }

    /// <summary>Checks what gathers and scatters share; returns batch·count.</summary>
    internal static int CheckGather(CpuWorkers workers, ReadOnlySpan<float> all, ReadOnlySpan<int> indices, ReadOnlySpan<float> selected, int batch, int length, int count, int width)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(width);
        CheckSelection(indices, batch, length, count);
        Guard.Holds(all, (long)batch * length * width, "(batch, length, width)");
        Guard.Holds(selected, (long)batch * count * width, "(batch, count, width)");
        Guard.Within(indices[..(batch * count)], length, nameof(indices));
        return batch * count;
    }

    internal static void CheckSelection(ReadOnlySpan<int> indices, int batch, int length, int count)
    {
        Guard.Positive(batch);
        Guard.Positive(length);
        Guard.Positive(count);
        if (count > length)
            throw new ArgumentOutOfRangeException(nameof(count), count, $"{count} positions cannot be selected of {length}; count must not exceed length.");
        Guard.Holds(indices, (long)batch * count);
    }

    private static void Run(CpuWorkers workers, RowsJob job) => workers.Run(job, job.Pieces, 2L * job.Rows * job.Width);
}
