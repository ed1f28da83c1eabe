using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public class DecodeLayerKernelTests
{
    private static readonly DevicePointer Counter = new(0x100);
    private static readonly DecodeLayerKernel Yardstick = Of(width: 1024, heads: 16, groups: 16, headWidth: 64, feedForward: 2816);

    private static readonly DecodeHeadKernel Head = new("head", 1024, 32768) { Logits = Any, GatheredNorm = Any };

    [Fact]
    public void One_row_takes_a_warp_for_each_pair_or_two_of_outputs()
    {
        RowCount one = new(1, Counter);
        Assert.Equal("#define DECODE_ROWS 1\n", DecodeProduct.Define(one));
        Assert.Equal((128, 1536 / 8), Shape(Yardstick.ChooseQkv(one)));
        Assert.Equal((128, 512 / 4), Shape(Yardstick.ChooseOutput(one)));
        Assert.Equal((128, 2816 / 8), Shape(Yardstick.ChooseGateUp(one)));
        Assert.Equal((128, 512 / 4), Shape(Yardstick.ChooseDown(one)));
        Assert.False(DecodeProduct.NormsApart(one));
        Assert.Equal((128, 32768 / 2 / 8), Shape(Head.ChooseLogits(one)));
    }

    [Theory]
    [InlineData(2, 8)]
    [InlineData(8, 8)]
    [InlineData(9, 16)]
    [InlineData(32, 32)]
    public void More_rows_take_a_block_for_eight_pairs(int rows, int rounded)
    {
        RowCount some = new(rows, Counter);
        Assert.Equal($"#define DECODE_ROWS {rounded}\n", DecodeProduct.Define(some));
        Assert.Equal((128, 1536 / 8), Shape(Yardstick.ChooseQkv(some)));
        Assert.Equal((256, 512 / 8), Shape(Yardstick.ChooseDown(some)));
        Assert.Equal((128, 32768 / 2 / 8), Shape(Head.ChooseLogits(some)));
        Assert.Equal(rows > 8, DecodeProduct.NormsApart(some));
    }

    [Fact]
    public void Sizes_that_lanes_do_not_divide_take_the_same_form_for_one_row_as_for_more()
    {
        var odd = Of(width: 192, heads: 6, groups: 3, headWidth: 32, feedForward: 8192);
        RowCount one = new(1, Counter);
        Assert.Equal((128, 192 / 8), Shape(odd.ChooseQkv(one)));
        Assert.Equal((512, 96 / 8), Shape(odd.ChooseDown(one)));
    }

    [Fact]
    public void Attention_is_over_clusters_where_there_are_some()
    {
        using var machine = new FakeMachine();
        using (var hopper = machine.Open())
            Assert.True(DecodeLayerKernel.IsClustered(hopper));
        machine.Driver.Capability = (8, 0);
        using var older = machine.Open();
        Assert.False(DecodeLayerKernel.IsClustered(older));
        RowCount rows = new(3, Counter);
        Assert.Equal((8, 3 * 16 * 8, "#define DECODE_SPLITS 8\n"), (Yardstick.ChooseAttention(rows).Kernel.Cluster, Yardstick.ChooseAttention(rows).Blocks, Yardstick.ChooseAttention(rows).Define));
        Assert.Equal((4, 8 * 16 * 4), (Yardstick.ChooseAttention(new RowCount(8, Counter)).Kernel.Cluster, Yardstick.ChooseAttention(new RowCount(8, Counter)).Blocks));
        Assert.Equal((2, 32 * 16 * 2), (Yardstick.ChooseAttention(new RowCount(32, Counter)).Kernel.Cluster, Yardstick.ChooseAttention(new RowCount(32, Counter)).Blocks));
        Assert.Equal(3 * 16 * 8, Yardstick.ChooseSplit(rows).Blocks);
        Assert.Equal(3 * 16 * 8 * (64 + 2) * sizeof(float), Yardstick.PartialBytes(rows));
        Assert.Equal(3 * 2 * 2 * 8, Of(width: 64, heads: 16, groups: 2, headWidth: 4, feedForward: 64).ChooseAttention(rows).Blocks);  // four query heads a block
    }

    [Fact]
    public void One_row_goes_through_a_routed_layer_in_one_kernel_of_a_block_a_multiprocessor()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var persistent = Any with { Text = "DECODE_BLOCKS", Threads = 512 };
        RowCount one = new(1, Counter), two = new(2, Counter);
        var router = new DecodeRouterKernel("router") { Route = Any, Persistent = persistent };
        var expected = new ChosenKernel(persistent, context.Processors, $"#define DECODE_BLOCKS {context.Processors}\n");
        Assert.Equal(expected, router.ChoosePersistent(context, one));
        Assert.Null(router.ChoosePersistent(context, two));
        Assert.Null((router with { Persistent = null }).ChoosePersistent(context, one));
        Assert.Contains(persistent, router.Forms);
        Assert.Equal("#define DECODE_BLOCKS 132\n", DecodeProduct.ExampleDefine(persistent));
        Assert.Equal(16 * 8 * (64 + 2) * sizeof(float), DecodeRouterKernel.PartialBytes(Yardstick));
    }

    [Fact]
    public void All_contexts_of_a_device_take_turns()
    {
        using var machine = new FakeMachine();
        using var one = machine.Open();
        using var precise = machine.Platform.Open(0, float32: true);
        Assert.False(precise.Turn.IsHeldByCurrentThread);
        lock (one.Turn)
            Assert.True(precise.Turn.IsHeldByCurrentThread);
    }

    [Fact]
    public void Many_rows_and_float32_go_another_way()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        Assert.True(DecodeProduct.Suits(context, new RowCount(32, Counter)));
        Assert.False(DecodeProduct.Suits(context, new RowCount(33, Counter)));
        using var precise = machine.Platform.Open(0, float32: true);
        Assert.False(DecodeProduct.Suits(precise, new RowCount(1, Counter)));
    }

    private static Kernel Any => new("any", "prelude", 256, "extern \"C\" __global__ void any() { }");

    private static (int Threads, int Blocks) Shape(ChosenKernel chosen) => (chosen.Kernel.Threads, chosen.Blocks);

    private static DecodeLayerKernel Of(int width, int heads, int groups, int headWidth, int feedForward)
    {
        return new DecodeLayerKernel("decode", width, heads, groups, headWidth, feedForward)
        {
            Qkv = Any, Attention = Any, Place = Any, Split = Any, Combine = Any, Output = Any, GateUp = Any, Down = Any, Norm = Any,
        };
    }
}
