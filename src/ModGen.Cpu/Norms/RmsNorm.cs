namespace ModGen.Cpu;

/// <summary>Root-mean-square normalisation (Zhang and Sennrich 2019): y = x·rstd·gain with rstd = 1 / √(mean x² + ε) of a row.</summary>
public static unsafe class RmsNorm
{
    /// <summary>y = norm(x).</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, width).</param>
    /// <param name="gain">(width).</param>
    /// <param name="y">(rows, width), overwritten.</param>
    /// <param name="rstd">(rows), overwritten; the backward pass reads it.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="width">Features, at least 1.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> gain, Span<float> y, Span<float> rstd, int rows, int width, float epsilon)
    {
        Check(workers, x, gain, y, rstd, rows, width);
        fixed (float* px = x, pg = gain, py = y, pr = rstd)
        {
            var job = new RmsNormForwardJob { X = px, Gain = pg, Y = py, Rstd = pr, Rows = rows, Width = width, Epsilon = epsilon };
            workers.Run(job, job.Pieces, 2L * rows * width);
        }
    }

    /// <summary>sum = x + a, y = norm(sum): a residual addition and the norm after it in one pass. <paramref name="sum"/> may be the memory of x or a.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, width).</param>
    /// <param name="a">(rows, width).</param>
    /// <param name="gain">(width).</param>
    /// <param name="sum">(rows, width), overwritten.</param>
    /// <param name="y">(rows, width), overwritten.</param>
    /// <param name="rstd">(rows), overwritten.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="width">Features, at least 1.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void AddForward(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> a, ReadOnlySpan<float> gain, Span<float> sum, Span<float> y, Span<float> rstd, int rows, int width, float epsilon)
    {
        Check(workers, x, gain, y, rstd, rows, width);
        Guard.Holds(a, (long)rows * width);
        Guard.Holds(sum, (long)rows * width);
        fixed (float* px = x, pa = a, pg = gain, ps = sum, py = y, pr = rstd)
        {
            var job = new RmsNormForwardJob { X = px, Added = pa, Kept = ps, Gain = pg, Y = py, Rstd = pr, Rows = rows, Width = width, Epsilon = epsilon };
            workers.Run(job, job.Pieces, 4L * rows * width);
        }
    }

    /// <summary>gathered = the indexed rows of x, y = norm(gathered).</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(batch, length, width).</param>
    /// <param name="indices">(batch, count): positions within each sequence.</param>
    /// <param name="gain">(width).</param>
    /// <param name="gathered">(batch, count, width), overwritten.</param>
    /// <param name="y">(batch, count, width), overwritten.</param>
    /// <param name="rstd">(batch, count), overwritten.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Positions of a sequence.</param>
    /// <param name="count">Selected positions of a sequence.</param>
    /// <param name="width">Features.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a position of the sequence.</exception>
    public static void GatherForward(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<int> indices, ReadOnlySpan<float> gain, Span<float> gathered, Span<float> y, Span<float> rstd, int batch, int length, int count, int width, float epsilon)
    {
        var rows = Rows.CheckGather(workers, x, indices, gathered, batch, length, count, width);
        Guard.Holds(gain, width);
        Guard.Holds(y, (long)rows * width);
        Guard.Holds(rstd, rows);
        fixed (float* px = x, pg = gain, ps = gathered, py = y, pr = rstd)
        fixed (int* pi = indices)
        {
            var job = new RmsNormForwardJob
            {
                X = px, Indices = pi, Length = length, Count = count, Kept = ps,
                Gain = pg, Y = py, Rstd = pr, Rows = rows, Width = width, Epsilon = epsilon,
            };
            workers.Run(job, job.Pieces, 3L * rows * width);
        }
    }

    /// <summary>dx = the gradient through the norm; dgain += that of the gain. <paramref name="dx"/> may be the memory of dy.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="x">(rows, width), what was normalised.</param>
    /// <param name="gain">(width).</param>
    /// <param name="rstd">(rows), from the forward pass.</param>
    /// <param name="dx">(rows, width), overwritten.</param>
    /// <param name="dgain">(width), added to.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="width">Features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ReadOnlySpan<float> gain, ReadOnlySpan<float> rstd, Span<float> dx, Span<float> dgain, int rows, int width) =>
        Backward(workers, dy, x, gain, rstd, default, dx, dgain, rows, width, hasResidual: false);

    /// <summary>dx = residual + the gradient through the norm; dgain += that of the gain. <paramref name="dx"/> may be the memory of residual or dy.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="x">(rows, width), what was normalised.</param>
    /// <param name="gain">(width).</param>
    /// <param name="rstd">(rows), from the forward pass.</param>
    /// <param name="residual">(rows, width): the gradient that reaches x another way.</param>
    /// <param name="dx">(rows, width), overwritten.</param>
    /// <param name="dgain">(width), added to.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="width">Features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void BackwardAdd(CpuWorkers workers, ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ReadOnlySpan<float> gain, ReadOnlySpan<float> rstd, ReadOnlySpan<float> residual, Span<float> dx, Span<float> dgain, int rows, int width) =>
        Backward(workers, dy, x, gain, rstd, residual, dx, dgain, rows, width, hasResidual: true);

    private static void Backward(CpuWorkers workers, ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ReadOnlySpan<float> gain, ReadOnlySpan<float> rstd, ReadOnlySpan<float> residual, Span<float> dx, Span<float> dgain, int rows, int width, bool hasResidual)
    {
        Check(workers, x, gain, dx, rstd, rows, width);
        Guard.Holds(dy, (long)rows * width);
        Guard.Holds(dgain, width);
        if (hasResidual)
            Guard.Holds(residual, (long)rows * width);
        var scratch = workers.Rent();
        try
        {
            fixed (float* pdy = dy, px = x, pg = gain, pr = rstd, pres = residual, pdx = dx, pdg = dgain)
            {
                var chunkRows = Slices.SumRows(rows);
                var chunks = Gemm.Ceiling(rows, chunkRows);
                var partial = scratch.Floats((long)chunks * width);
                var job = new RmsNormBackwardJob
                {
                    Dy = pdy, X = px, Gain = pg, Rstd = pr, Residual = hasResidual ? pres : null, Dx = pdx, Partial = partial,
                    Rows = rows, Width = width, ChunkRows = chunkRows,
                };
                workers.Run(job, chunks, 4L * rows * width);
                ColumnSums.Add(workers, partial, pdg, chunks, width);
            }
        }
        finally
        {
            workers.Return(scratch);
        }
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> gain, ReadOnlySpan<float> y, ReadOnlySpan<float> rstd, int rows, int width)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(width);
        Guard.Holds(x, (long)rows * width);
        Guard.Holds(gain, width);
        Guard.Holds(y, (long)rows * width, "the result");
        Guard.Holds(rstd, rows);
    }
}
