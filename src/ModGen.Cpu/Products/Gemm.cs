using System.Runtime.CompilerServices;

namespace ModGen.Cpu;

/// <summary>
/// C = source + A·B for any strides of A and B. Loops as in BLIS: the right operand is packed a panel at a time by all
/// threads; then each piece packs its block of the left operand into its own cache and runs over the panel's slivers.
/// </summary>
internal static unsafe class Gemm
{
    // A block of A (24 slivers of 12 rows, 590 KB) stays in the second cache, the panel of B in the third. Deeper than the first
    // cache would like: fewer visits to C are worth more (docs/cpu-kernels.md).
    private const int Depth = 512;
    private const int BlockSlivers = 24;
    private const int PanelColumns = 4096;

    /// <summary>c (m, n), rows <paramref name="strideC"/> apart, = source + a·b.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">Summed dimension.</param>
    /// <param name="a">Lines are rows of C.</param>
    /// <param name="b">Lines are columns of C.</param>
    /// <param name="c">Result.</param>
    /// <param name="strideC">Elements from row to row of C.</param>
    /// <param name="source">Null, or what to add to; may be C.</param>
    /// <param name="strideSource">Its row stride; 0 for a bias.</param>
    public static void Run(CpuWorkers workers, int m, int n, int k, Operand a, Operand b, float* c, nint strideC, float* source, nint strideSource)
    {
        var depthBlocks = Ceiling(k, Depth);
        var depth = Math.Min(k, Ceiling(Ceiling(k, depthBlocks), 16) * 16);
        var panels = Ceiling(n, PanelColumns);
        var panelColumns = Math.Min(n, Ceiling(Ceiling(n, panels), 32) * 32);
        var scratch = workers.Rent();
        try
        {
            var packed = scratch.Floats((long)Ceiling(panelColumns, 32) * 32 * depth);
            for (var column = 0; column < n; column += panelColumns)
            {
                var columns = Math.Min(panelColumns, n - column);
                for (var step = 0; step < k; step += depth)
                {
                    var steps = Math.Min(depth, k - step);
                    workers.Run(new PackJob(b, column, columns, step, steps, packed), Ceiling(columns, PackJob.Columns), (long)columns * steps);
                    var job = new BlockJob
                    {
                        A = a, Packed = packed, M = m, Columns = columns, Step = step, Steps = steps,
                        C = c + column, StrideC = strideC,
                        Source = step > 0 ? c + column : source is null ? null : source + column,
                        StrideSource = step > 0 ? strideC : strideSource,
                        RowPieces = RowPieces(m), ColumnPieces = ColumnPieces(m, columns),
                    };
                    workers.Run(job, job.RowPieces * job.ColumnPieces, (long)m * columns * steps / 16);
                }
            }
        }
        finally
        {
            workers.Return(scratch);
        }
    }

    // An even share for 2 and 4 threads, and blocks that fit the second cache.
    private static int RowPieces(int m)
    {
        var slivers = Ceiling(m, 12);
        return slivers < 8 ? 1 : Ceiling(Ceiling(slivers, BlockSlivers), 4) * 4;
    }

    private static int ColumnPieces(int m, int columns) => RowPieces(m) > 1 ? 1 : Math.Clamp(columns / 128, 1, 8);

    internal static int Ceiling(int value, int divisor) => (value - 1) / divisor + 1;

    private readonly struct PackJob(Operand b, int column, int columns, int step, int steps, float* packed) : IJob
    {
        public const int Columns = 128;

        public void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            var first = piece * Columns;
            Packing.Pack<V>(b, column + first, Math.Min(Columns, columns - first), step, steps, 2 * V.Count, packed + (nint)first * steps);
        }
    }

    private struct BlockJob : IJob
    {
        public Operand A;
        public float* Packed;
        public float* C;
        public float* Source;
        public nint StrideC, StrideSource;
        public int M, Columns, Step, Steps, RowPieces, ColumnPieces;

        public readonly void Run<V>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
        {
            if (V.Count == 16)
                Block<V, Packed12>(piece, scratch);
            else
                Block<V, Packed6>(piece, scratch);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Block<V, S>(int piece, Scratch scratch)
            where V : struct, ILanes<V>
            where S : struct, ITileShape
        {
            var width = 2 * V.Count;
            var (rowBegin, rowEnd) = Share(M, S.Rows, RowPieces, piece % RowPieces);
            var (columnBegin, columnEnd) = Share(Columns, width, ColumnPieces, piece / RowPieces);
            var rows = rowEnd - rowBegin;
            if (rows <= 0)
                return;
            var block = scratch.Floats((long)Ceiling(rows, S.Rows) * S.Rows * Steps);
            Packing.Pack<V>(A, rowBegin, rows, Step, Steps, S.Rows, block);
            for (var column = columnBegin; column < columnEnd; column += width)
            {
                var b = Packed + (nint)column * Steps;
                var a = block;
                for (var row = rowBegin; row < rowEnd; row += S.Rows, a += (nint)S.Rows * Steps)
                {
                    Tile.RunPartial<V, S>(
                        Steps, a, b, C + row * StrideC + column, StrideC,
                        Source is null ? null : Source + row * StrideSource + column, StrideSource,
                        rowEnd - row, columnEnd - column);
                }
            }
        }
    }

    // Part i of n of `total` lines, cut at multiples of `unit`.
    private static (int Begin, int End) Share(int total, int unit, int parts, int part)
    {
        var units = Ceiling(total, unit);
        return (Math.Min(total, (int)((long)units * part / parts) * unit), Math.Min(total, (int)((long)units * (part + 1) / parts) * unit));
    }
}
