using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>losses = log Σ exp(logits) − logit of the target, row by row; on request logits become their own gradient.</summary>
internal readonly unsafe struct CrossEntropyJob(float* logits, int* targets, float* losses, int rows, int classes, float scale, bool gradients) : IJob
{
    public int Pieces => Gemm.Ceiling(rows, Slices.Rows(rows, classes));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<V>(int piece, Scratch scratch)
        where V : struct, ILanes<V>
    {
        var pieceRows = Slices.Rows(rows, classes);
        var end = Math.Min(rows, (piece + 1) * pieceRows);
        for (var row = piece * pieceRows; row < end; row++)
        {
            var logit = logits + (nint)row * classes;
            var target = targets[row];
            if (target < 0)
            {
                losses[row] = 0;
                if (gradients)
                    new Span<float>(logit, classes).Clear();
                continue;
            }

            var greatest = Greatest<V>(logit);
            var ofTarget = logit[target];
            var sum = Exponentials<V>(logit, greatest);
            losses[row] = greatest - ofTarget + MathF.Log(sum);
            if (!gradients)
                continue;
            Multiply<V>(logit, scale / sum);
            logit[target] -= scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float Greatest<V>(float* logit)
        where V : struct, ILanes<V>
    {
        if (classes < V.Count)
            return Scalar(logit);
        V first = V.Load(logit), second = first;
        var i = V.Count;
        for (; i <= classes - 2 * V.Count; i += 2 * V.Count)
        {
            first = V.Max(first, V.Load(logit + i));
            second = V.Max(second, V.Load(logit + i + V.Count));
        }

        // The last vectors may overlap what was seen: a maximum does not mind.
        if (i <= classes - V.Count)
            first = V.Max(first, V.Load(logit + i));
        return V.Max(V.Max(V.Max(first, second), V.Load(logit + classes - V.Count)));
    }

    private float Scalar(float* logit)
    {
        var greatest = logit[0];
        for (var i = 1; i < classes; i++)
            greatest = Math.Max(greatest, logit[i]);
        return greatest;
    }

    // Replaces logits by exp(logit − greatest) when gradients are wanted; returns their sum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float Exponentials<V>(float* logit, float greatest)
        where V : struct, ILanes<V>
    {
        V shift = V.Splat(greatest), first = V.Zero, second = V.Zero;
        var i = 0;
        for (; i <= classes - 2 * V.Count; i += 2 * V.Count)
        {
            var a = SimdMath.ExpNegative(V.Load(logit + i) - shift);
            var b = SimdMath.ExpNegative(V.Load(logit + i + V.Count) - shift);
            if (gradients)
            {
                V.Store(logit + i, a);
                V.Store(logit + i + V.Count, b);
            }

            first += a;
            second += b;
        }

        var sum = 0f;
        if (i <= classes - V.Count)
        {
            var a = SimdMath.ExpNegative(V.Load(logit + i) - shift);
            if (gradients)
                V.Store(logit + i, a);
            first += a;
            i += V.Count;
        }

        for (; i < classes; i++)
        {
            var a = MathF.Exp(logit[i] - greatest);
            if (gradients)
                logit[i] = a;
            sum += a;
        }

        return sum + V.Sum(first + second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Multiply<V>(float* logit, float factor)
        where V : struct, ILanes<V>
    {
        var scaling = V.Splat(factor);
        var i = 0;
        for (; i <= classes - V.Count; i += V.Count)
            V.Store(logit + i, V.Load(logit + i) * scaling);
        for (; i < classes; i++)
            logit[i] *= factor;
    }
}
