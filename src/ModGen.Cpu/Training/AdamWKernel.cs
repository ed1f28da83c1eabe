using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>One step of Adam with decoupled weight decay (Loshchilov and Hutter 2019), in one pass over memory.</summary>
public static unsafe class AdamWKernel
{
    private const int PieceFloats = 16384;

    /// <summary>
    /// With g = gradientScale·gradient: m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g²,
    /// p −= learningRate·(m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε) + weightDecay·p).
    /// </summary>
    /// <param name="workers">The threads.</param>
    /// <param name="parameters">Changed in place; its length counts.</param>
    /// <param name="gradients">As many.</param>
    /// <param name="first">First moments, changed in place.</param>
    /// <param name="second">Second moments, changed in place.</param>
    /// <param name="learningRate">Rate of this step.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="epsilon">Added to the root of the second moment.</param>
    /// <param name="weightDecay">Decoupled decay; 0 for gains.</param>
    /// <param name="gradientScale">Factor of the gradients: clipping, accumulation.</param>
    /// <param name="step">t, from 1.</param>
    /// <exception cref="ArgumentException">A span is shorter than the parameters, or the step is below 1.</exception>
    public static void Step(CpuWorkers workers, Span<float> parameters, ReadOnlySpan<float> gradients, Span<float> first, Span<float> second, float learningRate, float beta1, float beta2, float epsilon, float weightDecay, double gradientScale, long step)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Holds(gradients, parameters.Length);
        Guard.Holds(first, parameters.Length);
        Guard.Holds(second, parameters.Length);
        if (step < 1)
            throw new ArgumentOutOfRangeException(nameof(step), step, $"Step is {step}; the first step is 1.");
        if (parameters.IsEmpty)
            return;
        fixed (float* p = parameters, g = gradients, m = first, v = second)
        {
            var job = new Job
            {
                Parameters = p, Gradients = g, First = m, Second = v, Length = parameters.Length,
                Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon, Scale = (float)gradientScale,
                Keep = (float)(1 - (double)learningRate * weightDecay),
                Rate = (float)(learningRate / (1 - Math.Pow(beta1, step))),
                SecondCorrection = (float)(1 / (1 - Math.Pow(beta2, step))),
            };
            workers.Run(job, Gemm.Ceiling(parameters.Length, PieceFloats), 7L * parameters.Length);
        }
    }

    private struct Job : IJob
    {
        public float* Parameters, Gradients, First, Second;
        public int Length;
        public float Beta1, Beta2, Epsilon, Scale, Keep, Rate, SecondCorrection;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var i = (long)piece * PieceFloats;
            var end = Math.Min(Length, i + PieceFloats);
            for (; i <= end - V.Count; i += V.Count)
                Update<V>(i, V.Count);
            if (i < end)
                Update<V>(i, (int)(end - i));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly void Update<V>(long i, int count)
            where V : struct, ILanes<V>
        {
            var g = SimdMath.Load<V>(Gradients + i, count) * V.Splat(Scale);
            var m = V.MultiplyAdd(V.Splat(Beta1), SimdMath.Load<V>(First + i, count), V.Splat(1 - Beta1) * g);
            var v = V.MultiplyAdd(V.Splat(Beta2), SimdMath.Load<V>(Second + i, count), V.Splat(1 - Beta2) * g * g);
            var divisor = V.Sqrt(v * V.Splat(SecondCorrection)) + V.Splat(Epsilon);
            var p = SimdMath.Load<V>(Parameters + i, count) * V.Splat(Keep) - V.Splat(Rate) * m / divisor;
            SimdMath.Store(First + i, m, count);
            SimdMath.Store(Second + i, v, count);
            SimdMath.Store(Parameters + i, p, count);
        }
    }
}
