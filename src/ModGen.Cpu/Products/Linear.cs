namespace ModGen.Cpu;

/// <summary>Linear layers y = x·Wᵀ with weights (outputs, inputs), and their gradients. All matrices are row-major.</summary>
public static unsafe class Linear
{
    /// <summary>y = x·Wᵀ.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="weight">(outputs, inputs).</param>
    /// <param name="y">(rows, outputs), overwritten.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="inputs">Input features, at least 1.</param>
    /// <param name="outputs">Output features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, Span<float> y, int rows, int inputs, int outputs)
    {
        Check(workers, x, weight, y, rows, inputs, outputs);
        fixed (float* px = x, pw = weight, py = y)
            Product(workers, px, pw, py, null, 0, rows, inputs, outputs);
    }

    /// <summary>y = residual + x·Wᵀ; <paramref name="y"/> may be the residual's memory.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="weight">(outputs, inputs).</param>
    /// <param name="residual">(rows, outputs).</param>
    /// <param name="y">(rows, outputs), overwritten.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="inputs">Input features, at least 1.</param>
    /// <param name="outputs">Output features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void ForwardAdd(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> residual, Span<float> y, int rows, int inputs, int outputs)
    {
        Check(workers, x, weight, y, rows, inputs, outputs);
        Guard.Holds(residual, (long)rows * outputs);
        fixed (float* px = x, pw = weight, pr = residual, py = y)
            Product(workers, px, pw, py, pr, outputs, rows, inputs, outputs);
    }

    /// <summary>y = x·Wᵀ + bias.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="weight">(outputs, inputs).</param>
    /// <param name="bias">(outputs).</param>
    /// <param name="y">(rows, outputs), overwritten.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="inputs">Input features, at least 1.</param>
    /// <param name="outputs">Output features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void ForwardBias(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, Span<float> y, int rows, int inputs, int outputs)
    {
        Check(workers, x, weight, y, rows, inputs, outputs);
        Guard.Holds(bias, outputs);
        fixed (float* px = x, pw = weight, pb = bias, py = y)
            Product(workers, px, pw, py, pb, 0, rows, inputs, outputs);
    }

    /// <summary>dx = dy·W.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="dy">(rows, outputs).</param>
    /// <param name="weight">(outputs, inputs).</param>
    /// <param name="dx">(rows, inputs), overwritten.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="inputs">Input features, at least 1.</param>
    /// <param name="outputs">Output features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void InputGradient(CpuWorkers workers, ReadOnlySpan<float> dy, ReadOnlySpan<float> weight, Span<float> dx, int rows, int inputs, int outputs)
    {
        Check(workers, dx, weight, dy, rows, inputs, outputs);
        fixed (float* pdy = dy, pw = weight, pdx = dx)
            Gemm.Run(workers, rows, inputs, outputs, new Operand(pdy, outputs, 1), new Operand(pw, 1, inputs), pdx, inputs, null, 0);
    }

    /// <summary>dW += dyᵀ·x.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="x">(rows, inputs).</param>
    /// <param name="dy">(rows, outputs).</param>
    /// <param name="dweight">(outputs, inputs), added to.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="inputs">Input features, at least 1.</param>
    /// <param name="outputs">Output features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void WeightGradient(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dweight, int rows, int inputs, int outputs)
    {
        Check(workers, x, dweight, dy, rows, inputs, outputs);
        fixed (float* px = x, pdy = dy, pdw = dweight)
            Gemm.Run(workers, outputs, inputs, rows, new Operand(pdy, 1, outputs), new Operand(px, 1, inputs), pdw, inputs, pdw, inputs);
    }

    /// <summary>dbias += the sum of dy over rows.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="dy">(rows, outputs).</param>
    /// <param name="dbias">(outputs), added to.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="outputs">Output features, at least 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    public static void BiasGradient(CpuWorkers workers, ReadOnlySpan<float> dy, Span<float> dbias, int rows, int outputs)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(outputs);
        Guard.Holds(dy, (long)rows * outputs);
        Guard.Holds(dbias, outputs);
        fixed (float* pdy = dy, pdb = dbias)
            ColumnSums.Add(workers, pdy, pdb, rows, outputs);
    }

    private static void Product(CpuWorkers workers, float* x, float* weight, float* y, float* source, nint strideSource, int rows, int inputs, int outputs)
    {
        if (rows <= MatrixVector.MaximumRows)
            MatrixVector.Run(workers, x, weight, y, source, strideSource, rows, inputs, outputs);
        else
            Gemm.Run(workers, rows, outputs, inputs, new Operand(x, inputs, 1), new Operand(weight, inputs, 1), y, outputs, source, strideSource);
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> y, int rows, int inputs, int outputs)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(inputs);
        Guard.Positive(outputs);
        Guard.Holds(x, (long)rows * inputs, "(rows, inputs)");
        Guard.Holds(weight, (long)outputs * inputs, "(outputs, inputs)");
        Guard.Holds(y, (long)rows * outputs, "(rows, outputs)");
    }
}
