using ModGen.Cpu;

namespace ModGen.Benchmarks;

/// <summary>The innermost tile on operands in the first cache: the ceiling of every product.</summary>
internal static unsafe class TileBenchmark
{
    private const int Repeats = 200;

    public static void Run(Report report)
    {
        if (CpuWorkers.VectorBits == 512)
        {
            Measure<Lanes512, Packed12>(report, 384);
            Measure<Lanes512, Packed12>(report, 256);
            Measure<Lanes512, Packed8>(report, 192);
            Measure<Lanes512, Written12<Lanes512>>(report, 32);
        }
        else if (CpuWorkers.VectorBits == 256)
        {
            Measure<Lanes256, Packed6>(report, 384);
            Measure<Lanes256, Packed4>(report, 192);
        }
    }

    private static void Measure<V, S>(Report report, int depth)
        where V : struct, ILanes<V>
        where S : struct, ITileShape
    {
        using Buffer a = new(12 * 512), b = new(32 * 512), c = new(12 * 32);
        var seconds = report.Seconds(() =>
        {
            for (var i = 0; i < Repeats; i++)
                Tile.Run<V, S>(depth, a.Pointer, b.Pointer, c.Pointer, 2 * V.Count, c.Pointer, 2 * V.Count);
        })[0];
        report.Add($"tile {typeof(S).Name} deep {depth}", ("GFLOP/s", 2.0 * Repeats * depth * S.Rows * 2 * V.Count / seconds / 1e9));
    }
}
