using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public class AttentionKernelTests
{
    private static readonly DevicePointer Counter = new(0x100);

    [Theory]
    [InlineData(64, 2048, "attention_fwd_sm90", 512, 149504)]  // 2048 + 4 · 64 · (3 · 64 + 3 · 128), and so on
    [InlineData(64, 256, "attention_fwd_sm90", 640, 231424)]
    [InlineData(128, 256, "attention_fwd_sm90", 384, 231424)]  // 2048 + 2 · 128 · (3 · 2 · 64 + 2 · 4 · 64)
    [InlineData(128, 2048, "attention_fwd_sm90", 512, 198656)]
    [InlineData(128, 4096, "attention_fwd_sm90", 384, 198656)]
    [InlineData(96, 2048, "attention_fwd", 128, 66560)]
    [InlineData(34, 100, "attention_any", 256, 8832)]
    public void The_forward_pass_takes_the_fastest_form_that_there_is(int width, int length, string family, int threads, int sharedBytes)
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var chosen = AttentionKernels.Of(heads: 4, groups: 2, width, length).ChooseForward(context, batch: 3);
        Assert.EndsWith(family, chosen.Kernel.Families, StringComparison.Ordinal);
        Assert.Equal((threads, sharedBytes), (chosen.Kernel.Threads, chosen.Kernel.SharedBytes));
    }

    [Fact]
    public void Persistent_blocks_are_as_many_as_multiprocessors_or_as_there_is_work()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var kernel = AttentionKernels.Of(heads: 4, groups: 2, width: 64, length: 2048);
        Assert.Equal(context.Processors, kernel.ChooseForward(context, batch: 16).Blocks);
        Assert.Equal(11 * 4, kernel.ChooseQueries(context, batch: 1).Blocks);  // strips of 192 queries
        Assert.Equal(11 * 2, kernel.ChooseKeys(context, batch: 1).Blocks);
    }

    [Fact]
    public void Short_sequences_take_one_kernel_for_the_whole_gradient_where_every_multiprocessor_has_one()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var kernel = AttentionKernels.Of(heads: 4, groups: 2, width: 64, length: 200);
        var enough = (context.Processors + 1) / 2;
        var whole = Assert.NotNull(kernel.ChooseGradient(context, enough));
        Assert.Equal((context.Processors, 512, 184320), (whole.Chosen.Blocks, whole.Chosen.Kernel.Threads, whole.Chosen.Kernel.SharedBytes));
        Assert.Equal((context.Processors * 2L * 256 * 8, context.Processors * 2L * 256 * 256), (whole.RowBytes, whole.SumBytes));  // 2 query heads of 4 tiles of 64
        Assert.Null(kernel.ChooseGradient(context, (context.Processors - 1) / 2));
        Assert.Null(AttentionKernels.Of(heads: 4, groups: 2, width: 64, length: 257).ChooseGradient(context, enough));
        Assert.Null(AttentionKernels.Of(heads: 4, groups: 2, width: 128, length: 200).ChooseGradient(context, enough));
        machine.Driver.Capability = (8, 0);
        using var older = machine.Platform.Open(0, float32: false);
        Assert.Null(kernel.ChooseGradient(older, enough));
    }

    [Fact]
    public void Older_devices_take_the_portable_form_and_float32_the_plain_one()
    {
        using var machine = new FakeMachine();
        machine.Driver.Capability = (8, 0);
        using var context = machine.Open();
        var kernel = AttentionKernels.Of(heads: 4, groups: 2, width: 64, length: 100);
        Assert.False(kernel.IsMapped(context));
        var portable = kernel.ChooseKeys(context, batch: 3);
        Assert.EndsWith(" attention_bwd", portable.Kernel.Families, StringComparison.Ordinal);
        Assert.Equal((2 * 2 * 3, 768 * 72), (portable.Blocks, portable.Kernel.SharedBytes));
        using var precise = machine.Platform.Open(0, float32: true);
        Assert.EndsWith("attention_any", kernel.ChooseQueries(precise, batch: 3).Kernel.Families, StringComparison.Ordinal);
    }

    [Fact]
    public void Few_rows_over_caches_are_split_and_many_of_few_sequences_go_by_tiles()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var kernel = AttentionKernels.OverCaches(heads: 16, groups: 16, width: 64, context: 1024);
        RowCount one = new(1, Counter), some = new(32, Counter), many = new(1024, Counter);
        Assert.True(kernel.IsSplit(one));
        Assert.Equal(16 * CachedAttentionKernel.Splits, kernel.Choose(context, one, sequences: 1).Blocks);
        Assert.Equal(2, kernel.ChooseCombine(one).Blocks);
        Assert.False(kernel.IsSplit(some));
        Assert.Equal(32 * 16, kernel.Choose(context, some, sequences: 32).Blocks);
        Assert.Equal(16 * 16, kernel.Choose(context, many, sequences: 1).Blocks);
        Assert.Equal(1024 * 16, kernel.Choose(context, many, sequences: 1024).Blocks);  // a token a sequence: no neighbours
    }
}
