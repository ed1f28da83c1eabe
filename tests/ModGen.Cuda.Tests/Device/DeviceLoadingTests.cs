using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests.Device;

/// <summary>Compiling and loading with the real compiler and driver, with a cache of its own.</summary>
public sealed class DeviceLoadingTests(RealDevice device) : IClassFixture<RealDevice>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Shared_memory_beyond_the_default_is_given()
    {
        const int Count = 24_000;
        var context = device.Context;
        using var stream = context.CreateStream();
        using var memory = context.Allocate(2 * Count * sizeof(int), "a test");
        stream.Upload(memory.Pointer, Enumerable.Range(0, Count).ToArray().AsSpan());
        var list = new LaunchList();
        list.Add(DeviceKernels.Reverse(Count * sizeof(int)), 1, [memory.Pointer, memory.Pointer + Count * sizeof(int), Count]);
        stream.Run(list);
        var back = new int[Count];
        stream.Download(back.AsSpan(), memory.Pointer + Count * sizeof(int));
        Assert.Equal(Enumerable.Range(0, Count).Reverse(), back);
    }

    [Fact]
    public void Blocks_of_a_cluster_are_launched_together()
    {
        var context = device.Hopper();
        using var stream = context.CreateStream();
        using var memory = context.Allocate(64, "a test");
        var list = new LaunchList();
        list.Add(DeviceKernels.Ranks(cluster: 4), 16, [memory.Pointer]);
        stream.Run(list);
        var ranks = new int[16];
        stream.Download(ranks.AsSpan(), memory.Pointer);
        Assert.Equal(Enumerable.Range(0, 16).Select(block => block % 4), ranks);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(64, 8)]
    [InlineData(128, 16)]
    [InlineData(160, 28)]
    public void A_tensor_map_leads_the_copy_engine_to_the_box(int column, int row)
    {
        const int Columns = 192, Rows = 32, Pitch = 200;
        var context = device.Hopper();
        using var stream = context.CreateStream();
        using var memory = context.Allocate((Rows * Pitch + 512) * sizeof(short), "a test");
        var data = Enumerable.Range(1, Rows * Pitch).Select(i => (short)i).ToArray();
        stream.Upload(memory.Pointer, data.AsSpan());
        var map = TensorMap.Create(context, memory.Pointer, 2, [Columns, Rows], [Pitch * sizeof(short)], [64, 8], 128);
        var to = memory.Pointer + Rows * Pitch * sizeof(short);
        var list = new LaunchList();
        list.Add(DeviceKernels.Box, 1, [map, to, column, row]);
        stream.Run(list);
        var box = new short[512];
        stream.Download(box.AsSpan(), to);
        for (var i = 0; i < box.Length; i++)
        {
            var (y, x) = (row + i / 64, column + i % 64);
            var expected = y < Rows && x < Columns ? data[y * Pitch + x] : 0;
            Assert.True(expected == box[i], $"row {y}, column {x}: {box[i]}, expected {expected}");
        }
    }

    [Fact]
    public void A_kernel_that_does_not_compile_is_shown_with_its_lines()
    {
        var list = new LaunchList();
        list.Add(DeviceKernels.Of("wrong", 32, "extern \"C\" __global__ void wrong(int* x) {\n    *x = not_there;\n}"), 1, [new DevicePointer(16)]);
        var error = Assert.Throws<CudaException>(() => device.Context.Load([list]));
        Assert.Contains("Kernel wrong does not compile for sm_", error.Message, StringComparison.Ordinal);
        Assert.Contains("wrong(2): error: identifier \"not_there\" is undefined", error.Message, StringComparison.Ordinal);
        Assert.Contains(">    2      *x = not_there;", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Arguments_that_are_not_the_kernels_are_refused()
    {
        var context = device.Context;
        var driver = Version.Parse(context.Versions.Split(' ', ',')[1]);
        Assert.SkipWhen(driver < new Version(12, 4), $"a driver of CUDA {driver} does not know a kernel's parameters");
        Assert.Contains("takes more than the 1 arguments", Refused(new DevicePointer(16)), StringComparison.Ordinal);
        Assert.Contains("does not take the 5 arguments", Refused(new DevicePointer(16), new DevicePointer(16), 1, 1, 1), StringComparison.Ordinal);
        Assert.Contains("Argument 2 of step", Refused(new DevicePointer(16), new DevicePointer(16), 1L, 1), StringComparison.Ordinal);

        string Refused(params Argument[] arguments)
        {
            var list = new LaunchList();
            list.Add(DeviceKernels.Step, 1, arguments, define: "// not loaded yet\n");
            return Assert.Throws<CudaException>(() => context.Load([list])).Message;
        }
    }

    [Fact]
    public void Kernels_come_from_the_cache_and_what_is_damaged_or_foreign_is_made_again()
    {
        RealDevice.Need();
        Assert.False(Load().Cached);
        var warm = Load();
        Assert.True(warm.Cached);
        Assert.True(warm.CompileMilliseconds > 0);
        var file = Assert.Single(Directory.GetFiles(_folder.Path));
        var bytes = File.ReadAllBytes(file);
        bytes[^100] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.False(Load().Cached);
        Assert.True(Load().Cached);

        // A sound file with a cubin of another generation of devices.
        var other = new Version(device.Context.ComputeCapability.Major == 8 ? 9 : 8, 0);
        using var foreign = new TemporaryFolder();
        var cubin = new KernelBuilder(new NvrtcCompiler(), new KernelCache(foreign.Path), other, float32: false).Build(DeviceKernels.Step, null);
        new KernelCache(_folder.Path).Write(Convert.FromHexString(Path.GetFileNameWithoutExtension(file)), cubin);
        Assert.False(Load().Cached);
        Assert.True(Load().Cached);
    }

    public void Dispose() => _folder.Dispose();

    // Loads and runs it in a context of its own, as another process would.
    private KernelInfo Load()
    {
        using var context = CudaPlatform.Machine.With(_folder.Path).Open(0, float32: false);
        using var chain = new Chain(context, steps: 10);
        Assert.Equal(chain.Expected(), chain.Result(stream => stream.Run(chain.List)));
        return context.Describe(DeviceKernels.Step);
    }
}
