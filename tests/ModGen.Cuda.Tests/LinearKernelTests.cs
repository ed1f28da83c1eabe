using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public class LinearKernelTests
{
    private static readonly DevicePointer Counter = new(0x100);

    [Fact]
    public void Rows_known_at_launch_take_Hopper_s_own_instructions_where_there_are_some()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var kernel = LinearKernels.Of(LinearPass.Forward, 1024, 512);
        var chosen = kernel.Choose(context, new RowCount(4096));
        var tile = Assert.NotNull(chosen.Hopper);
        Assert.Contains("linear_sm90", chosen.Kernel.Families, StringComparison.Ordinal);
        Assert.Equal((tile.Threads, tile.Cluster, tile.SharedBytes(staged: true)), (chosen.Kernel.Threads, chosen.Kernel.Cluster, chosen.Kernel.SharedBytes));
        Assert.Equal(0, chosen.Blocks % tile.Cluster);
        Assert.Equal(0, chosen.Turns);
    }

    [Fact]
    public void A_weight_gradient_takes_turns()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var chosen = LinearKernels.Of(LinearPass.WeightGradient, 1024, 512).Choose(context, new RowCount(4096));
        Assert.Equal(chosen.Hopper!.Value.Turns(1024, 512), chosen.Turns);
        Assert.True(chosen.Turns > 0);
    }

    [Fact]
    public void Counted_rows_take_the_portable_form_and_few_of_them_the_one_for_few()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var kernel = LinearKernels.Of(LinearPass.Forward, 1024, 512);
        Assert.Contains("linear_sm80", kernel.Choose(context, new RowCount(33, Counter)).Kernel.Families, StringComparison.Ordinal);
        var few = kernel.Choose(context, new RowCount(32, Counter));
        Assert.Contains("linear_rows", few.Kernel.Families, StringComparison.Ordinal);
        Assert.Equal(64, few.Blocks);
    }

    [Fact]
    public void Older_devices_take_the_portable_form()
    {
        using var machine = new FakeMachine();
        machine.Driver.Capability = (8, 0);
        using var context = machine.Open();
        var chosen = LinearKernels.Of(LinearPass.WeightGradient, 1024, 512).Choose(context, new RowCount(100));
        Assert.Null(chosen.Hopper);
        Assert.Contains("linear_sm80", chosen.Kernel.Families, StringComparison.Ordinal);
        Assert.True(chosen.Turns > 0);
    }

    [Fact]
    public void Float32_and_a_layer_without_tensor_cores_take_the_plain_form()
    {
        using var machine = new FakeMachine();
        using var single = machine.Platform.Open(0, float32: true);
        using var context = machine.Open();
        var kernel = LinearKernels.Of(LinearPass.InputGradient, 1024, 512);
        foreach (var chosen in new[] { kernel.Choose(single, new RowCount(130)), (kernel with { Portable = null, Hopper = null }).Choose(context, new RowCount(130)) })
        {
            Assert.Contains("linear_any", chosen.Kernel.Families, StringComparison.Ordinal);
            Assert.Equal(3 * 8, chosen.Blocks);
            Assert.Null(chosen.Define);
        }
    }

    [Fact]
    public void Few_outputs_run_over_their_rows_in_either_precision()
    {
        using var machine = new FakeMachine();
        using var single = machine.Platform.Open(0, float32: true);
        using var context = machine.Open();
        var kernel = LinearKernels.Of(LinearPass.Forward, 1, 64) with { Portable = null, Hopper = null, FewOutputs = true };
        foreach (var device in new[] { single, context })
        {
            Assert.Equal((kernel.Plain, 4 * device.Processors), (kernel.Choose(device, new RowCount(65536)).Kernel, kernel.Choose(device, new RowCount(65536)).Blocks));
            Assert.Equal(5, kernel.Choose(device, new RowCount(40)).Blocks);
            Assert.Equal(kernel.Few, kernel.Choose(device, new RowCount(32, Counter)).Kernel);
        }
    }

    [Fact]
    public void A_fusion_is_two_launches_where_its_product_is_not_Hopper_s()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        using var single = machine.Platform.Open(0, float32: true);
        var kernel = new FusedLinear("fused", LinearKernels.Of(LinearPass.InputGradient, 1024, 2816), FakeMachine.Named("rest"), 2816) { Hopper = FakeMachine.Named("fused"), Overlapped = true };
        Assert.Null(kernel.Choose(single, new RowCount(4096)));
        Assert.Null(kernel.Choose(context, new RowCount(4096, Counter)));
        var chosen = Assert.NotNull(kernel.Choose(context, new RowCount(4096)));
        Assert.Equal((384, 2), (chosen.Kernel.Threads, chosen.Kernel.Cluster));
        Assert.InRange(chosen.Kernel.SharedBytes, 1, 232448);
        Assert.Equal(1, kernel.Choose(context, new RowCount(100))!.Value.Kernel.Cluster);
    }
}
