using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// The output layer and its loss in one: logits are made for a chunk of rows at a time, turned into their own gradient in
/// place, and never exist as a whole.
/// </summary>
public static unsafe class CrossEntropyHead
{
    private const int ChunkFloats = 4 << 20;

    /// <summary>The mean cross-entropy in nats over the counted targets; 0 if there is none.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="hidden">(rows, width).</param>
    /// <param name="weight">(vocabulary, width).</param>
    /// <param name="targets">(rows); negative ones are not counted.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Features.</param>
    /// <param name="vocabulary">Classes.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not below the vocabulary.</exception>
    public static float Forward(CpuWorkers workers, ReadOnlySpan<float> hidden, ReadOnlySpan<float> weight, ReadOnlySpan<int> targets, int rows, int width, int vocabulary)
    {
        Check(workers, hidden, weight, targets, rows, width, vocabulary);
        fixed (float* ph = hidden, pw = weight)
        fixed (int* pt = targets)
            return Run(workers, ph, pw, pt, 0, null, null, rows, width, vocabulary);
    }

    /// <summary>The same loss, and the gradients of <paramref name="scale"/> times it.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="hidden">(rows, width).</param>
    /// <param name="weight">(vocabulary, width).</param>
    /// <param name="targets">(rows); negative ones are not counted and give no gradient.</param>
    /// <param name="scale">Factor of the gradients, such as one over the number of accumulated batches.</param>
    /// <param name="dhidden">(rows, width), overwritten.</param>
    /// <param name="dweight">(vocabulary, width), added to.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Features.</param>
    /// <param name="vocabulary">Classes.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A target is not below the vocabulary.</exception>
    public static float ForwardBackward(CpuWorkers workers, ReadOnlySpan<float> hidden, ReadOnlySpan<float> weight, ReadOnlySpan<int> targets, float scale, Span<float> dhidden, Span<float> dweight, int rows, int width, int vocabulary)
    {
        Check(workers, hidden, weight, targets, rows, width, vocabulary);
        Guard.Holds(dhidden, (long)rows * width);
        Guard.Holds(dweight, (long)vocabulary * width);
        fixed (float* ph = hidden, pw = weight, pdh = dhidden, pdw = dweight)
        fixed (int* pt = targets)
            return Run(workers, ph, pw, pt, scale, pdh, pdw, rows, width, vocabulary);
    }

    private static float Run(CpuWorkers workers, float* hidden, float* weight, int* targets, float scale, float* dhidden, float* dweight, int rows, int width, int vocabulary)
    {
        var counted = 0;
        for (var row = 0; row < rows; row++)
            counted += targets[row] >= 0 ? 1 : 0;
        var gradientScale = counted == 0 ? 0 : scale / counted;
        var chunk = Math.Min(rows, Math.Max(64, ChunkFloats / vocabulary));
        var scratch = workers.Rent();
        try
        {
            var losses = scratch.Floats((long)chunk * vocabulary + chunk);
            var logits = losses + chunk;
            var total = 0.0;
            for (var row = 0; row < rows; row += chunk)
            {
                var count = Math.Min(chunk, rows - row);
                var h = hidden + (nint)row * width;
                Gemm.Run(workers, count, vocabulary, width, new Operand(h, width, 1), new Operand(weight, width, 1), logits, vocabulary, null, 0);
                var job = new CrossEntropyJob(logits, targets + row, losses, count, vocabulary, gradientScale, dhidden is not null);
                workers.Run(job, job.Pieces, 10L * count * vocabulary);
                for (var i = 0; i < count; i++)
                    total += losses[i];
                if (dhidden is null)
                    continue;
                Gemm.Run(workers, count, width, vocabulary, new Operand(logits, vocabulary, 1), new Operand(weight, 1, width), dhidden + (nint)row * width, width, null, 0);
                Gemm.Run(workers, vocabulary, width, count, new Operand(logits, 1, vocabulary), new Operand(h, 1, width), dweight, width, dweight, width);
            }

            return counted == 0 ? 0 : (float)(total / counted);
        }
        finally
        {
            workers.Return(scratch);
        }
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<float> hidden, ReadOnlySpan<float> weight, ReadOnlySpan<int> targets, int rows, int width, int vocabulary)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(width);
        Guard.Positive(vocabulary);
        Guard.Holds(hidden, (long)rows * width);
        Guard.Holds(weight, (long)vocabulary * width);
        Guard.Holds(targets, rows);
        foreach (var target in targets[..rows])
        {
            if (target >= vocabulary)
                throw new ArgumentOutOfRangeException(nameof(targets), target, $"Target {target} is outside the vocabulary; targets go up to {vocabulary - 1}, negative ones are not counted.");
        }
    }
}
