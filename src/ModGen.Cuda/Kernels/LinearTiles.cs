namespace ModGen.Cuda;

/// <summary>
/// Which tiles a matrix product C (m × n) over k is cut into: the ones with the shortest estimated time on a number of
/// multiprocessors. A product runs in waves of one tile a multiprocessor (or of one pair of tiles a pair), and a wave takes
/// as long as its steps of the reduction, 64 deep, and the handing over of its results. Where results are added to memory the
/// reduction may be cut into slices too, on Hopper of the tiles that fill no wave, which add in turn, or leave a matrix each that
/// another launch adds up, or the steps of all tiles into one share a multiprocessor.
/// </summary>
public static class LinearTiles
{
    private const int Depth = 64;

    // Microseconds, measured on an H100; what counts is their ratio. Stored and Added: of handing over results that are stored
    // in bfloat16 or added in float32. Turn: of waiting for the slice before. Lead: steps by which a slice is longer than the one
    // before, where they run at once; the kernels' own constant.
    private readonly record struct Cost(double Step, double Stored, double Added, double Turn, int Lead = 10);

    private static readonly (int Columns, int Consumers, int Stages, Cost Cost)[] HopperShapes =
    [
        (256, 2, 4, new(0.66, 4.0, 4.5, 7.7)),
        (192, 2, 4, new(0.53, 3.5, 4.5, 5.0)),
        (128, 2, 6, new(0.37, 3.5, 4.5, 4.0)),
        (128, 3, 5, new(0.52, 3.5, 5.0, 5.0)),
        (64, 2, 6, new(0.28, 3.0, 4.0, 3.0)),
    ];

    private static readonly (int Columns, Cost Cost)[] PortableShapes =
    [
        (256, new(1.06, 3.0, 8.5, 7.5, Lead: 7)),
        (128, new(0.57, 1.6, 8.5, 6.0)),
        (64, new(0.45, 1.2, 6.0, 5.0)),
    ];

    // More slices than this wait for one another longer than they save.
    private const int MostSlices = 6;

    // Of slices apart: what adding them up takes beside writing and reading them in the second-level cache, the rate of that in
    // bytes, and how much of it they may take. They are worth a launch and memory only where they save a good part.
    private const double ApartStart = 4.0, ApartBytes = 2.5e6, ApartWorth = 0.85;
    private const long ApartMost = 32L << 20;

    // Equal shares are at different depths of the operands, which must then fit in the second-level cache, unless the depths are few.
    private const long CachedBytes = 40_000_000;
    private const int FewDepths = 4;

    /// <summary>The tiles of a product of linear_sm90.</summary>
    /// <param name="m">Rows of C, at least 1.</param>
    /// <param name="n">Columns of C, at least 1.</param>
    /// <param name="k">Length of the reduction.</param>
    /// <param name="adds">Whether results are added to memory (a weight gradient), so that the reduction may be sliced.</param>
    /// <param name="processors">Multiprocessors of the device.</param>
    public static HopperTile Hopper(int m, int n, int k, bool adds, int processors)
    {
        Validate(m, n, k, processors);
        var bytes = (long)sizeof(float) * m * n;
        if (!adds)
        {
            // In pairs that share an operand, except in a single wave and where there is no second row of tiles.
            var alone = Fastest(1, cluster: 1);
            return m <= alone.Rows || alone.Waves(m, n, processors) == 1 ? alone : Fastest(1, cluster: 2);
        }

        var best = Fastest(MostSlices, cluster: 2);
        var single = Fastest(MostSlices, cluster: 1);
        best = Estimate(best) <= Estimate(single) ? best : single;
        // As many slices as fill the device once.
        var apart = HopperShapes
            .SelectMany(s => Enumerable.Range(1, 2), (s, cluster) => new HopperTile(s.Columns, s.Stages, cluster, s.Consumers, 1) { Apart = true })
            .Select(tile => tile with { Slices = Math.Min(processors / tile.Cluster / tile.Units(m, n), Tiles(k, Depth)) })
            .Where(tile => tile.Slices > 1 && tile.Slices * bytes <= ApartMost)
            .DefaultIfEmpty(best).MinBy(Estimate);
        return Estimate(apart) < ApartWorth * Estimate(best) ? apart : best;

        HopperTile Fastest(int slices, int cluster) =>
            HopperShapes
                .Where(s => adds || s.Consumers == 2)
                .SelectMany(s => Slices(k, slices).Select(count => new HopperTile(s.Columns, s.Stages, cluster, s.Consumers, count)))
                .MinBy(Estimate);

        double Estimate(HopperTile tile)
        {
            var cost = HopperShapes.First(s => s.Columns == tile.Columns && s.Consumers == tile.Consumers).Cost;
            // A narrow tile alone asks the second-level cache for more than it gives.
            var step = cost.Step * (tile is { Cluster: 1, Columns: <= 128 } ? 1.25 : 1.0);
            var time = tile.Apart
                ? Tiles(Tiles(k, Depth), tile.Slices) * step + cost.Added + ApartStart + 2 * tile.Slices * bytes / ApartBytes
                : Time(cost with { Step = step }, adds, tile.Units(m, n), Math.Max(1, processors / tile.Cluster), k, tile.Slices, wholeFirst: true);
            // What lies beyond the edges of C is multiplied too: measured to cost half its share.
            return adds ? time * (1 + tile.Covered(m, n) / ((double)m * n)) / 2 : time;
        }
    }

    /// <summary>128 × 256 tiles of linear_sm90, for results that are more than stored: alone in a single wave, else in pairs.</summary>
    /// <param name="m">Rows of C, at least 1.</param>
    /// <param name="n">Columns of C, at least 1.</param>
    /// <param name="stages">Stages of the ring.</param>
    /// <param name="processors">Multiprocessors of the device.</param>
    public static HopperTile Widest(int m, int n, int stages, int processors)
    {
        Validate(m, n, 0, processors);
        var alone = new HopperTile(256, stages, 1, 2, 1);
        return m <= alone.Rows || alone.Waves(m, n, processors) == 1 ? alone : alone with { Cluster = 2 };
    }

    /// <summary>The tiles of a product of linear_sm80: the fastest of those that fit.</summary>
    /// <param name="m">Rows of C, at least 1.</param>
    /// <param name="n">Columns of C, at least 1.</param>
    /// <param name="k">Length of the reduction.</param>
    /// <param name="adds">Whether results are added to memory (a weight gradient), so that the reduction may be sliced.</param>
    /// <param name="processors">Multiprocessors of the device.</param>
    /// <param name="sharedBytes">The most shared memory that a block may have.</param>
    public static PortableTile Portable(int m, int n, int k, bool adds, int processors, int sharedBytes)
    {
        Validate(m, n, k, processors);
        return PortableShapes
            .Select(s => (Tile: PortableTile.Deepest(s.Columns, sharedBytes), s.Cost))
            .Where(s => s.Tile.SharedBytes <= sharedBytes)
            .SelectMany(s => Divisions(s.Tile).Select(slices => (Tile: s.Tile with { Slices = slices }, s.Cost)))
            .MinBy(c => c.Tile.Slices == 0 ? TimeOfShares(c.Tile, c.Cost) : Time(c.Cost, adds, c.Tile.Turns(m, n), processors, k, c.Tile.Slices)).Tile;

        IEnumerable<int> Divisions(PortableTile tile)
        {
            var depths = processors / CommonDivisor(processors, tile.Turns(m, n));
            var shares = adds && (depths <= FewDepths || ((long)m + n) * k * 2 <= CachedBytes);
            return shares ? Slices(k, MostSlices).Prepend(0) : Slices(k, adds ? MostSlices : 1);
        }

        // A share begins within one tile and ends within another, and a tile's parts, by as many blocks, are added in turn.
        double TimeOfShares(PortableTile tile, Cost cost)
        {
            var steps = Math.Max(1, Tiles(k, Depth));
            var share = Tiles(checked(tile.Turns(m, n) * steps), processors);
            return share * cost.Step + cost.Added + Math.Max(Tiles(steps, share), Tiles(share, steps)) * cost.Turn;
        }
    }

    /// <summary>How many pieces of a size hold a count.</summary>
    internal static int Tiles(int count, int size) => (int)(((long)count + size - 1) / size);

    private static IEnumerable<int> Slices(int k, int most) => Enumerable.Range(1, Math.Clamp(Tiles(k, Depth), 1, most));

    // Tiles, or pairs, of which so many run at once, those of full waves whole before the others' slices or not. The slices of a tile
    // wait for one another: each its turn or, where they run at once, as long as it was led into.
    private static double Time(Cost cost, bool adds, int tiles, int atOnce, int k, int slices, bool wholeFirst = false)
    {
        var (steps, handing) = (Tiles(k, Depth), adds ? cost.Added : cost.Stored);
        var rest = wholeFirst && slices > 1 ? tiles % atOnce : tiles;
        var whole = (tiles - rest) / atOnce * (steps * cost.Step + handing);
        if (rest == 0)
            return whole;
        var waves = Tiles(rest * slices, atOnce);
        var lead = waves == 1 ? Math.Min(cost.Lead, steps / (slices * slices)) * cost.Step : 0;
        return whole + waves * (Tiles(steps, slices) * cost.Step + handing) + (slices - 1) * (lead / 2 + Math.Max(0, cost.Turn - lead));
    }

    private static int CommonDivisor(int a, int b) => b == 0 ? a : CommonDivisor(b, a % b);

    private static void Validate(int m, int n, int k, int processors)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(m, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        ArgumentOutOfRangeException.ThrowIfLessThan(processors, 1);
    }
}

/// <summary>Tiles of linear_sm90: 64 rows a consumer by <see cref="Columns"/>.</summary>
/// <param name="Columns">Columns of C in a tile.</param>
/// <param name="Stages">Stages of the ring of operands.</param>
/// <param name="Cluster">Blocks that share the second operand: 1 or 2, one above the other.</param>
/// <param name="Consumers">Warpgroups that multiply.</param>
/// <param name="Slices">Parts of the reduction.</param>
public readonly record struct HopperTile(int Columns, int Stages, int Cluster, int Consumers, int Slices)
{
    private const int StagingBytes = 16 * 1024, RowBytes = 8 * 1024, PanelColumns = 64;

    /// <summary>Whether slices leave a matrix each, to be added up by another launch.</summary>
    public bool Apart { get; init; }

    /// <summary>Rows of C in a tile.</summary>
    public int Rows => 64 * Consumers;

    /// <summary>Threads of a block.</summary>
    public int Threads => 128 * (Consumers + 1);

    /// <summary>What the entry point's text names: put before its source.</summary>
    public string Define =>
        FormattableString.Invariant($"#define LINEAR_COLUMNS {Columns}\n#define LINEAR_STAGES {Stages}\n#define LINEAR_CLUSTER {Cluster}\n#define LINEAR_CONSUMERS {Consumers}\n#define LINEAR_THREADS {Threads}\n#define LINEAR_SLICES {Slices}\n#define LINEAR_APART {(Apart ? 1 : 0)}\n");

    /// <summary>Dynamic shared memory of a block.</summary>
    /// <param name="staged">Whether results leave through the copy engine (StoreBf16 and the fused stores built on it), else by rows.</param>
    public int SharedBytes(bool staged) => 1024 + Stages * (Rows + Columns) * 128 + Consumers * (staged ? StagingBytes : RowBytes) + 1024;

    /// <summary>Dynamic shared memory of a block of linear_overlapped_sm90, which keeps a tile's results there.</summary>
    public int OverlappedSharedBytes => 1024 + Stages * (Rows + Columns) * 128 + Rows * Columns * sizeof(ushort) + 1024;

    /// <summary>Blocks of the grid: as many as run at once, in whole clusters.</summary>
    public int Blocks(int processors) => Math.Max(1, processors / Cluster) * Cluster;

    /// <summary>Box of the first operand's map, innermost first.</summary>
    /// <param name="mnMajor">Whether the operand lies as (reduction, output).</param>
    public (int Columns, int Rows) BoxA(bool mnMajor) => (PanelColumns, mnMajor ? 64 : Rows);

    /// <summary>Box of the second operand's map, innermost first.</summary>
    /// <inheritdoc cref="BoxA"/>
    public (int Columns, int Rows) BoxB(bool mnMajor) => (PanelColumns, (mnMajor ? 64 : Columns) / Cluster);

    /// <summary>Box of the result's map, innermost first.</summary>
    public static (int Columns, int Rows) BoxC => (PanelColumns, 64);

    /// <summary>Words of `turns`, zero before and after, of a sliced product; none where slices are apart.</summary>
    public int Turns(int m, int n) => Apart ? 0 : Units(m, n) * Cluster * Consumers;

    /// <summary>Elements that the tiles cover.</summary>
    internal long Covered(int m, int n) => (long)LinearTiles.Tiles(m, Rows * Cluster) * Rows * Cluster * LinearTiles.Tiles(n, Columns) * Columns;

    /// <summary>Times that the device is filled by whole tiles.</summary>
    internal int Waves(int m, int n, int processors) => LinearTiles.Tiles(Units(m, n), Math.Max(1, processors / Cluster));

    /// <summary>Tiles, or pairs of tiles.</summary>
    internal int Units(int m, int n) => LinearTiles.Tiles(m, Rows * Cluster) * LinearTiles.Tiles(n, Columns);
}

/// <summary>Tiles of linear_sm80: 128 by <see cref="Columns"/>.</summary>
/// <param name="Columns">Columns of C in a tile.</param>
/// <param name="Stages">Stages of the ring of operands.</param>
/// <param name="Slices">Parts of the reduction; 0 divides the steps of all tiles evenly among the blocks.</param>
public readonly record struct PortableTile(int Columns, int Stages, int Slices)
{
    private const int Rows = 128, MostStages = 4, LeastStages = 3, RowScratch = 2048, FourWarps = 128;

    /// <summary>Threads of a block: eight warps, or four of 64 × 64 each.</summary>
    public int Threads => Columns == FourWarps ? 128 : 256;

    /// <inheritdoc cref="HopperTile.Define"/>
    public string Define => FormattableString.Invariant($"#define LINEAR_COLUMNS {Columns}\n#define LINEAR_STAGES {Stages}\n#define LINEAR_THREADS {Threads}\n#define LINEAR_SLICES {Slices}\n");

    /// <summary>Dynamic shared memory of a block: the ring, and where a warp turns its results to whole rows.</summary>
    public int SharedBytes => Stages * (Rows + Columns) * 128 + Threads / 32 * RowScratch;

    /// <summary>Blocks of the grid: a block a tile and slice, or as many as run at once.</summary>
    public int Blocks(int m, int n, int processors) => Slices == 0 ? processors : Math.Min(Units(m, n), processors);

    /// <inheritdoc cref="HopperTile.Turns"/>
    public int Turns(int m, int n) => LinearTiles.Tiles(m, Rows) * LinearTiles.Tiles(n, Columns);

    /// <summary>The tile with as many stages as fit, which for a narrow one may be more than a block may have.</summary>
    internal static PortableTile Deepest(int columns, int sharedBytes)
    {
        var most = new PortableTile(columns, MostStages, Slices: 1);
        return columns != FourWarps && most.SharedBytes <= sharedBytes ? most : most with { Stages = LeastStages };
    }

    /// <summary>Tiles times slices.</summary>
    internal int Units(int m, int n) => Turns(m, n) * Slices;
}
