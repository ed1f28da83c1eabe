using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>Rows of a table by token, and the gradient of the table.</summary>
public static unsafe class Embedding
{
    private const int PieceColumns = 64;

    /// <summary>y = the tokens' rows of the table.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="tokens">(rows).</param>
    /// <param name="table">(vocabulary, width); its length says the vocabulary.</param>
    /// <param name="y">(rows, width), overwritten.</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="width">Features.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token lies outside the table; the message names it.</exception>
    public static void Forward(CpuWorkers workers, ReadOnlySpan<int> tokens, ReadOnlySpan<float> table, Span<float> y, int rows, int width)
    {
        Guard.Positive(width);
        Check(workers, tokens, y, rows, width, table.Length / width);
        fixed (float* pt = table, py = y)
        fixed (int* tk = tokens)
            workers.Run(new ForwardJob(tk, pt, py, rows, width), Gemm.Ceiling(rows, Slices.Rows(rows, width)), 2L * rows * width);
    }

    /// <summary>dtable[token] += dy, in row order.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="tokens">(rows).</param>
    /// <param name="dy">(rows, width).</param>
    /// <param name="dtable">(vocabulary, width), added to.</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="width">Features.</param>
    /// <param name="vocabulary">Rows of the table.</param>
    /// <exception cref="ArgumentException">A span is shorter than its shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token lies outside the table; the message names it.</exception>
    public static void Backward(CpuWorkers workers, ReadOnlySpan<int> tokens, ReadOnlySpan<float> dy, Span<float> dtable, int rows, int width, int vocabulary)
    {
        Guard.Positive(width);
        Check(workers, tokens, dy, rows, width, vocabulary);
        Guard.Holds(dtable, (long)vocabulary * width);
        fixed (float* pdy = dy, pdt = dtable)
        fixed (int* tk = tokens)
            workers.Run(new BackwardJob(tk, pdy, pdt, rows, width), Gemm.Ceiling(width, PieceColumns), 3L * rows * width);
    }

    private static void Check(CpuWorkers workers, ReadOnlySpan<int> tokens, ReadOnlySpan<float> y, int rows, int width, int vocabulary)
    {
        ArgumentNullException.ThrowIfNull(workers);
        Guard.Positive(rows);
        Guard.Holds(tokens, rows);
        Guard.Holds(y, (long)rows * width, "(rows, width)");
        foreach (var token in tokens[..rows])
        {
            if ((uint)token >= (uint)vocabulary)
                throw new ArgumentOutOfRangeException(nameof(tokens), token, $"Token {token} is outside the vocabulary; tokens go from 0 to {vocabulary - 1}.");
        }
    }

    private readonly struct ForwardJob(int* tokens, float* table, float* y, int rows, int width) : IJob
    {
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var pieceRows = Slices.Rows(rows, width);
            var end = Math.Min(rows, (piece + 1) * pieceRows);
            for (var row = piece * pieceRows; row < end; row++)
                new ReadOnlySpan<float>(table + (nint)tokens[row] * width, width).CopyTo(new Span<float>(y + (nint)row * width, width));
        }
    }

    // A piece owns a slice of columns, so that equal tokens add up in row order whatever the number of threads.
    private readonly struct BackwardJob(int* tokens, float* dy, float* dtable, int rows, int width) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var begin = piece * PieceColumns;
            var end = Math.Min(width, begin + PieceColumns);
            for (var row = 0; row < rows; row++)
            {
                var source = dy + (nint)row * width;
                var target = dtable + (nint)tokens[row] * width;
                var column = begin;
                for (; column <= end - V.Count; column += V.Count)
                    V.Store(target + column, V.Load(target + column) + V.Load(source + column));
                if (column < end)
                    V.StorePartial(target + column, V.LoadPartial(target + column, end - column) + V.LoadPartial(source + column, end - column), end - column);
            }
        }
    }
}
