using System.Buffers.Binary;
using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public class ArgumentTests
{
    private static readonly Kernel Any = FakeMachine.Named("any");

    [Fact]
    public void Arguments_lie_where_the_device_reads_them()
    {
        var list = new LaunchList();
        list.Add(Any, 1, [new DevicePointer(0x1122334455667788), 5, new DevicePointer(9), -1.5f, 7u, 1, -2L, ulong.MaxValue]);
        var launch = list.Launches[0];
        Assert.Equal([0, 8, 16, 24, 28, 32, 40, 48], launch.Offsets.ToArray());
        Assert.Equal(56, launch.Parameters.Length);
        Assert.Equal(0x1122334455667788u, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters));
        Assert.Equal(5, BinaryPrimitives.ReadInt32LittleEndian(launch.Parameters[8..]));
        Assert.Equal(9u, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters[16..]));
        Assert.Equal(-1.5f, BinaryPrimitives.ReadSingleLittleEndian(launch.Parameters[24..]));
        Assert.Equal(7u, BinaryPrimitives.ReadUInt32LittleEndian(launch.Parameters[28..]));
        Assert.Equal(-2L, BinaryPrimitives.ReadInt64LittleEndian(launch.Parameters[40..]));
        Assert.Equal(ulong.MaxValue, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters[48..]));
    }

    [Fact]
    public void A_row_count_is_a_pointer_and_an_int_padded_to_sixteen_bytes()
    {
        var list = new LaunchList();
        list.Add(Any, 1, [3, new RowCount(100, new DevicePointer(0xAB00)), 4, new RowCount(-1)]);
        var launch = list.Launches[0];
        Assert.Equal([0, 8, 24, 32], launch.Offsets.ToArray());
        Assert.Equal(48, launch.Parameters.Length);
        Assert.Equal(0xAB00u, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters[8..]));
        Assert.Equal(100u, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters[16..]));
        Assert.Equal(0u, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters[32..]));
        // The padding stays zero whatever the sign.
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt64LittleEndian(launch.Parameters[40..]));
    }

    [Fact]
    public void A_tensor_map_lies_at_a_multiple_of_sixty_four()
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var map = TensorMap.Create(context, new DevicePointer(4096), 2, [128, 64], [256], [64, 64], 128);
        var list = new LaunchList();
        list.Add(Any, 1, [1, map, 2f, map, 3]);
        var launch = list.Launches[0];
        Assert.Equal([0, 64, 192, 256, 384], launch.Offsets.ToArray());
        Assert.Equal(388, launch.Parameters.Length);
        Assert.All(launch.Parameters[64..192].ToArray(), value => Assert.Equal(2, value));
        Assert.Equal(3, launch.Parameters[384]);
    }

    [Fact]
    public void An_argument_that_was_never_given_a_value_is_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => new LaunchList().Add(Any, 1, [1, default]));
        Assert.Contains("Argument 1 of any", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-4, 1)]
    [InlineData(3, 2)]
    public void Blocks_that_do_not_fit_are_refused(int blocks, int cluster)
    {
        var error = Assert.Throws<ArgumentException>(() => new LaunchList().Add(Any with { Cluster = cluster }, blocks, []));
        Assert.Contains($"any is launched with {blocks} blocks", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_keeps_order_and_leaves_out_what_moves_nothing()
    {
        var list = new LaunchList();
        list.Copy(new DevicePointer(1), new DevicePointer(2), 0);
        list.Clear(new DevicePointer(1), 0);
        list.Clear(new DevicePointer(16), 8);
        list.Add(Any, 2, [], "constexpr int X = 1;");
        list.Copy(new DevicePointer(16), new DevicePointer(32), 12);
        Assert.Equal([LaunchKind.Clear, LaunchKind.Kernel, LaunchKind.Copy], list.Launches.Select(launch => launch.Kind));
        Assert.Equal(["clear of 8 bytes", "any", "copy of 12 bytes"], list.Launches.Select(launch => launch.Name));
        Assert.Equal((new DevicePointer(16), new DevicePointer(32), 12L), (list.Launches[2].To, list.Launches[2].From, list.Launches[2].Bytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => list.Copy(default, default, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => list.Clear(default, -1));
    }

    [Theory]
    [InlineData(3, 16, 128, 64, 128, "Elements are 3 bytes")]
    [InlineData(2, 8, 128, 64, 128, "at 0x8")]
    [InlineData(2, 16, 100, 64, 128, "Pitch 1 is 100 bytes")]
    [InlineData(2, 16, 128, 128, 128, "A row of the box is 256 bytes")]
    [InlineData(2, 16, 128, 4, 0, "A row of the box is 8 bytes")]
    [InlineData(2, 16, 128, 64, 48, "The swizzle is 48 bytes")]
    [InlineData(4, 16, 128, 512, 0, "Dimension 0 of the box is 512")]
    public void A_tensor_map_that_breaks_a_rule_is_refused_with_it(int elementBytes, int address, int pitch, int box, int swizzle, string message)
    {
        using var machine = new FakeMachine();
        using var context = machine.Open();
        var error = Assert.Throws<ArgumentException>(() => TensorMap.Create(context, new DevicePointer((ulong)address), elementBytes, [64, 64], [pitch], [box, 8], swizzle));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("cuTensorMapEncodeTiled", machine.Driver.Calls);
    }
}
