namespace ModGen.Cuda.Tests;

public class LinearTilesTests
{
    private const int Processors = 132, Shared = 232448;

    public static TheoryData<int, int, int, bool> Shapes()
    {
        var data = new TheoryData<int, int, int, bool>();
        foreach (var (m, n, k) in new[] { (32768, 5632, 1024), (4096, 1024, 2816), (1, 8, 8), (130, 192, 192), (77, 264, 4096), (1024, 64, 0), (7, 32768, 1000), (2048, 40, 65536) })
        {
            data.Add(m, n, k, false);
            data.Add(m, n, k, true);
        }

        return data;
    }

    // What bench/kernels/lab/linear.py chooses, and is measured with, for the five matrices of the yardstick.
    [Theory]
    [InlineData(32768, 3072, 1024, false, 256, 4, 2, 2, 1)]
    [InlineData(32768, 1024, 2816, false, 256, 4, 2, 2, 1)]
    [InlineData(32768, 32768, 1024, false, 256, 4, 2, 2, 1)]
    [InlineData(32768, 1024, 5632, false, 256, 4, 2, 2, 1)]
    [InlineData(3072, 1024, 32768, true, 128, 5, 2, 3, 1)]
    [InlineData(1024, 1024, 32768, true, 128, 6, 2, 2, 2)]
    [InlineData(5632, 1024, 32768, true, 256, 4, 2, 2, 3)]
    [InlineData(1024, 2816, 32768, true, 256, 4, 2, 2, 3)]
    [InlineData(32768, 1024, 32768, true, 256, 4, 2, 2, 5)]
    [InlineData(4096, 3072, 1024, false, 256, 4, 2, 2, 1)]
    [InlineData(4096, 1024, 1024, false, 256, 4, 1, 2, 1)]
    [InlineData(4096, 5632, 1024, false, 256, 4, 2, 2, 1)]
    [InlineData(4096, 1024, 2816, false, 256, 4, 1, 2, 1)]
    [InlineData(4096, 2816, 1024, false, 256, 4, 2, 2, 1)]
    [InlineData(4096, 1024, 32768, false, 256, 4, 1, 2, 1)]
    [InlineData(3072, 1024, 4096, true, 128, 5, 2, 3, 1)]
    [InlineData(1024, 1024, 4096, true, 128, 6, 2, 2, 2)]
    [InlineData(1024, 2816, 4096, true, 192, 4, 2, 2, 1)]
    [InlineData(5632, 1024, 4096, true, 256, 4, 2, 2, 3)]
    [InlineData(32768, 1024, 4096, true, 256, 4, 2, 2, 1)]
    public void Yardstick_products_take_the_tiles_that_were_measured(int m, int n, int k, bool adds, int columns, int stages, int cluster, int consumers, int slices) =>
        Assert.Equal(new HopperTile(columns, stages, cluster, consumers, slices), LinearTiles.Hopper(m, n, k, adds, Processors));

    // What the measurement in docs/kernels/linear-sm80.md puts first.
    [Theory]
    [InlineData(32768, 3072, 1024, false, 256, 1)]
    [InlineData(4096, 2816, 1024, false, 256, 1)]
    [InlineData(4096, 1024, 1024, false, 256, 1)]
    [InlineData(3072, 1024, 32768, true, 256, 4)]
    [InlineData(1024, 1024, 32768, true, 256, 4)]
    [InlineData(5632, 1024, 32768, true, 256, 0)]
    [InlineData(1024, 2816, 32768, true, 256, 0)]
    [InlineData(3072, 1024, 4096, true, 256, 0)]
    [InlineData(1024, 1024, 4096, true, 128, 2)]
    [InlineData(5632, 1024, 4096, true, 256, 0)]
    [InlineData(1024, 2816, 4096, true, 256, 0)]
    public void Yardstick_products_take_the_portable_tiles_that_were_fastest(int m, int n, int k, bool adds, int columns, int slices) =>
        Assert.Equal(new PortableTile(columns, columns == 128 ? 3 : 4, slices), LinearTiles.Portable(m, n, k, adds, Processors, Shared));

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_Hopper_tile_can_be_launched(int m, int n, int k, bool adds)
    {
        foreach (var processors in new[] { 1, 7, 114, 132 })
        {
            var tile = LinearTiles.Hopper(m, n, k, adds, processors);
            Assert.InRange(tile.SharedBytes(staged: !adds), 1, 232448);
            Assert.Equal(0, tile.Blocks(processors) % tile.Cluster);
            Assert.InRange(tile.Blocks(processors), 1, Math.Max(processors, tile.Cluster));
            Assert.InRange(tile.Slices, 1, adds ? Math.Max(1, (k + 63) / 64) : 1);
            Assert.True(m > tile.Rows || tile.Cluster == 1 || adds, "half of a pair would have no rows");
            foreach (var mnMajor in new[] { false, true })
            {
                Assert.InRange(tile.BoxA(mnMajor).Rows, 1, 256);
                Assert.InRange(tile.BoxB(mnMajor).Rows, 1, 256);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_portable_tile_can_be_launched(int m, int n, int k, bool adds)
    {
        // What a block may have on an A100, on a card of 2020 to 2022 for the desk, and on an H100.
        foreach (var shared in new[] { 166912, 101376, Shared })
        {
            var tile = LinearTiles.Portable(m, n, k, adds, Processors, shared);
            Assert.InRange(tile.SharedBytes, 1, shared);
            Assert.InRange(tile.Stages, 3, 4);
            Assert.InRange(tile.Slices, adds ? 0 : 1, adds ? Math.Max(1, (k + 63) / 64) : 1);
            Assert.InRange(tile.Blocks(m, n, Processors), 1, tile.Slices == 0 ? Processors : Math.Min(Processors, tile.Turns(m, n) * tile.Slices));
        }
    }

    [Fact]
    public void A_weight_gradient_with_few_tiles_is_sliced_and_a_stored_product_never()
    {
        Assert.NotEqual(1, LinearTiles.Portable(1024, 1024, 32768, adds: true, Processors, Shared).Slices);
        Assert.Equal(1, LinearTiles.Portable(1024, 1024, 32768, adds: false, Processors, Shared).Slices);
        Assert.Equal(1, LinearTiles.Hopper(1024, 1024, 32768, adds: false, Processors).Slices);
    }

    [Fact]
    public void A_small_gradient_over_many_rows_is_sliced_as_often_as_there_are_multiprocessors_and_a_large_one_is_not()
    {
        var tile = LinearTiles.Hopper(64, 512, 65536, adds: true, Processors);
        Assert.True(tile.Apart);
        Assert.Equal(0, tile.Turns(64, 512));
        Assert.InRange(tile.Slices, 32, Processors);
        Assert.Contains("#define LINEAR_APART 1\n", tile.Define, StringComparison.Ordinal);
        Assert.False(LinearTiles.Hopper(1536, 512, 65536, adds: true, Processors).Apart);
        Assert.False(LinearTiles.Hopper(64, 512, 65536, adds: false, Processors).Apart);
    }

    [Fact]
    public void Narrow_results_take_narrow_tiles()
    {
        Assert.Equal(64, LinearTiles.Portable(32768, 64, 1024, adds: false, Processors, Shared).Columns);
        Assert.Equal(64, LinearTiles.Hopper(32768, 64, 1024, adds: false, Processors).Columns);
    }

    [Fact]
    public void Numbers_in_the_text_do_not_depend_on_the_culture() =>
        Assert.Equal("#define LINEAR_COLUMNS 256\n#define LINEAR_STAGES 4\n#define LINEAR_THREADS 256\n#define LINEAR_SLICES 1\n", new PortableTile(256, 4, 1).Define);

    [Fact]
    public void Turns_count_every_warpgroup_of_every_tile()
    {
        Assert.Equal(8 * 2 * 4 * 3, new HopperTile(256, 5, 2, 3, 2).Turns(3072 - 5, 1024));
        Assert.Equal(24 * 4, new PortableTile(256, 4, 4).Turns(3072, 1024));
    }

    [Theory]
    [InlineData(0, 8, 8)]
    [InlineData(8, 0, 8)]
    [InlineData(8, 8, -1)]
    public void Sizes_that_are_no_sizes_are_refused(int m, int n, int k)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => LinearTiles.Hopper(m, n, k, false, Processors));
        Assert.Throws<ArgumentOutOfRangeException>(() => LinearTiles.Portable(m, n, k, false, Processors, Shared));
    }
}
