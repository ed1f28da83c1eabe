using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// Rotary position embedding (Su et al. 2021) in Hugging Face's convention: within a head, elements i and i + headWidth/2
/// are turned by position·base^(−2i/headWidth).
/// </summary>
public static unsafe class Rotary
{
    /// <summary>Writes cosines and sines of every position, computed in double.</summary>
    /// <param name="cos">(context, headWidth/2), overwritten.</param>
    /// <param name="sin">(context, headWidth/2), overwritten.</param>
    /// <param name="context">Positions.</param>
    /// <param name="headWidth">Width of a head, even.</param>
    /// <param name="base">Usually 10 000.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or the head's width is odd.</exception>
    public static void FillTable(Span<float> cos, Span<float> sin, int context, int headWidth, double @base)
    {
        Guard.Positive(context);
        var half = Half(headWidth);
        Guard.Holds(cos, (long)context * half);
        Guard.Holds(sin, (long)context * half);
        for (var i = 0; i < half; i++)
        {
            var frequency = Math.Pow(@base, -2.0 * i / headWidth);
            for (var position = 0; position < context; position++)
            {
                var (s, c) = Math.SinCos(position * frequency);
                cos[position * half + i] = (float)c;
                sin[position * half + i] = (float)s;
            }
        }
    }

    /// <summary>Turns the first <paramref name="heads"/> heads of every row by its position, in place.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="qkv">(rows, stride), changed in place.</param>
    /// <param name="positions">(rows): a row of the table each.</param>
    /// <param name="cos">The table of <see cref="FillTable"/>.</param>
    /// <param name="sin">The table of <see cref="FillTable"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="stride">Elements of a row.</param>
    /// <param name="heads">Heads to turn: those of queries and keys.</param>
    /// <param name="headWidth">Width of a head, even.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or the head's width is odd.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A position lies outside the table.</exception>
    public static void Forward(CpuWorkers workers, Span<float> qkv, ReadOnlySpan<int> positions, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int rows, int stride, int heads, int headWidth) =>
        Turn(workers, qkv, positions, cos, sin, rows, stride, heads, headWidth, sign: 1);

    /// <summary>Turns by the negative angles: the gradient of <see cref="Forward"/>, in place.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="qkv">(rows, stride), changed in place.</param>
    /// <param name="positions">(rows): a row of the table each.</param>
    /// <param name="cos">The table of <see cref="FillTable"/>.</param>
    /// <param name="sin">The table of <see cref="FillTable"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="stride">Elements of a row.</param>
    /// <param name="heads">Heads to turn: those of queries and keys.</param>
    /// <param name="headWidth">Width of a head, even.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape, or the head's width is odd.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A position lies outside the table.</exception>
    public static void Backward(CpuWorkers workers, Span<float> qkv, ReadOnlySpan<int> positions, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int rows, int stride, int heads, int headWidth) =>
        Turn(workers, qkv, positions, cos, sin, rows, stride, heads, headWidth, sign: -1);

    private static int Half(int headWidth)
    {
        Guard.Positive(headWidth);
        return headWidth % 2 == 0 ? headWidth / 2 : throw new ArgumentException($"The head's width is {headWidth}; rotary embedding turns pairs and needs an even one.", nameof(headWidth));
    }

    private static void Turn(CpuWorkers workers, Span<float> qkv, ReadOnlySpan<int> positions, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int rows, int stride, int heads, int headWidth, float sign)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Positive(heads);
        var half = Half(headWidth);
        if ((long)heads * headWidth > stride)
            throw new ArgumentException($"{heads} heads of {headWidth} do not fit a row of {stride}; pass the row's full width as the stride.", nameof(stride));
        Guard.Holds(qkv, (long)rows * stride);
        Guard.Holds(positions, rows);
        Guard.Within(positions[..rows], Math.Min(cos.Length, sin.Length) / half, nameof(positions));
        fixed (float* px = qkv, pc = cos, ps = sin)
        fixed (int* pp = positions)
        {
            var pieceRows = Slices.Rows(rows, heads * headWidth);
            workers.Run(new Job(px, pp, pc, ps, rows, stride, heads, half, sign, pieceRows), Gemm.Ceiling(rows, pieceRows), 2L * rows * heads * headWidth);
        }
    }

    private readonly struct Job(float* x, int* positions, float* cos, float* sin, int rows, int stride, int heads, int half, float sign, int pieceRows) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var end = Math.Min(rows, (piece + 1) * pieceRows);
            for (var row = piece * pieceRows; row < end; row++)
            {
                var table = (nint)positions[row] * half;
                for (var i = 0; i < half; i += V.Count)
                {
                    var count = half - i;
                    V c = SimdMath.Load<V>(cos + table + i, count), s = SimdMath.Load<V>(sin + table + i, count) * V.Splat(sign);
                    var first = x + (nint)row * stride + i;
                    if (count >= V.Count)
                        TurnHeads(first, heads, half, c, s, V.Count);
                    else
                        TurnHeads(first, heads, half, c, s, count);
                }
            }
        }

        // The same elements of every head turn by the same angles.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void TurnHeads<V>(float* first, int heads, nint half, V c, V s, int count)
            where V : struct, ILanes<V>
        {
            for (; heads > 0; heads--, first += 2 * half)
            {
                V a = SimdMath.Load<V>(first, count), b = SimdMath.Load<V>(first + half, count);
                SimdMath.Store(first, a * c - b * s, count);
                SimdMath.Store(first + half, V.MultiplyAdd(b, c, a * s), count);
            }
        }
    }
}
