namespace ModGen.Cuda.Tests.Device;

/// <summary>The driver, NVRTC and a GPU as they are.</summary>
public sealed class DeviceTests(RealDevice device) : IClassFixture<RealDevice>
{
    [Fact]
    public void It_says_what_it_is()
    {
        var context = device.Context;
        Assert.NotEmpty(context.Name);
        Assert.True(context.ComputeCapability >= new Version(8, 0));
        Assert.InRange(context.Processors, 1, 1000);
        Assert.InRange(context.TotalBytes, 1L << 30, 1L << 50);
        Assert.InRange(context.FreeBytes, 1, context.TotalBytes);
        Assert.StartsWith("driver ", context.Versions, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_go_there_and_back()
    {
        var context = device.Context;
        using var stream = context.CreateStream();
        using var memory = context.Allocate(4_000_000, "a test");
        using var pinned = context.AllocatePinned(4_000_000);
        var sent = Enumerable.Range(7, 1_000_000).ToArray();
        var back = new int[sent.Length];
        stream.Download(back.AsSpan(), memory.Pointer);
        Assert.All(back, value => Assert.Equal(0, value));
        stream.Upload(memory.Pointer, sent.AsSpan());
        stream.Download(pinned.Span<int>(0, sent.Length), memory.Pointer);
        using (var ev = stream.Record())
            ev.Synchronize();
        Assert.Equal(sent, pinned.Span<int>(0, sent.Length).ToArray());
        stream.Fill(memory.Pointer, 0xFF, 4);
        stream.Download(back.AsSpan(), memory.Pointer);
        Assert.Equal([-1, .. sent.AsSpan(1)], back);
    }

    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 4)]
    public void A_kernel_reads_every_kind_of_argument_and_knows_its_precision(bool float32, int elementBytes)
    {
        RealDevice.Need();
        using var context = CudaContext.Open(0, float32);
        using var stream = context.CreateStream();
        using var memory = context.Allocate(128, "a test");
        stream.Upload(memory.Pointer + 64, [41, 0]);
        var list = new LaunchList();
        list.Add(DeviceKernels.Echo, 1, [memory.Pointer, -3, 2.25f, -(1L << 40), uint.MaxValue, new RowCount(100, memory.Pointer + 64), 1UL << 50, new RowCount(17)]);
        stream.Run(list);
        var words = new long[8];
        stream.Download(words.AsSpan(), memory.Pointer);
        Assert.Equal([-3, 9, -(1L << 40), uint.MaxValue, 41, 1L << 50, 17, elementBytes], words);
        var info = context.Describe(DeviceKernels.Echo);
        Assert.InRange(info.Registers, 1, 255);
        Assert.Equal(0, info.LocalBytes);
    }

    [Fact]
    public void A_graph_gives_what_its_lists_give_run_after_run()
    {
        using var chain = new Chain(device.Context, steps: 300);
        var expected = chain.Expected();
        for (var round = 0; round < 5; round++)
        {
            Assert.Equal(expected, chain.Result(stream => stream.Run(chain.List)));
            using var graph = chain.Stream.Capture(chain.List);
            Assert.Equal(chain.List.Launches.Count, graph.Nodes);
            for (var replay = 0; replay < 5; replay++)
                Assert.Equal(expected, chain.Result(stream => stream.Launch(graph)));
        }
    }

    [Fact]
    public void Pinned_memory_is_read_and_written_within_a_graph()
    {
        var context = device.Context;
        using var stream = context.CreateStream();
        using var memory = context.Allocate(32, "a test");
        using var pinned = context.AllocatePinned(32);
        var list = new LaunchList();
        list.Copy(memory.Pointer, pinned.Pointer, 4);
        list.Add(DeviceKernels.Step, 1, [memory.Pointer, memory.Pointer + 16, 1, 1]);
        list.Copy(pinned.Pointer + 16, memory.Pointer + 16, 4);
        using var graph = stream.Capture(list);
        for (var value = 0; value < 10; value++)
        {
            pinned.Span<int>(0, 1)[0] = value;
            stream.Launch(graph);
            stream.Synchronize();
            Assert.Equal(2 * value + 1, pinned.Span<int>(16, 1)[0]);
        }
    }

    [Fact]
    public void Streams_of_several_threads_do_not_disturb_one_another()
    {
        var context = device.Context;
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            using var chain = new Chain(context, steps: 50 + worker);
            using var graph = chain.Stream.Capture(chain.List);
            for (var replay = 0; replay < 10; replay++)
                Assert.Equal(chain.Expected(), chain.Result(stream => stream.Launch(graph)));
        });
    }

    [Fact]
    public void Launches_are_timed_by_the_device()
    {
        var context = device.Context;
        using var stream = context.CreateStream();
        const long Large = 1 << 28;
        using var memory = context.Allocate(Large, "a test");
        var list = new LaunchList();
        list.Clear(memory.Pointer, Large);
        list.Add(DeviceKernels.Step, 1, [memory.Pointer, memory.Pointer + 1024, 16, 1]);
        list.Copy(memory.Pointer + Large / 2, memory.Pointer, Large / 4);
        var times = stream.Time(list, 7);
        Assert.Equal(list.Launches, times.Select(time => time.Launch));
        Assert.All(times, time => Assert.InRange(time.Microseconds, 0.1, 1e6));
        // A quarter of a gigabyte at the speed of no device takes less than ten times a launch.
        Assert.True(times[0].Microseconds > times[1].Microseconds, $"{times[0].Microseconds} µs, {times[1].Microseconds} µs");
    }

    [Fact]
    public void A_step_allocates_nothing_on_the_host()
    {
        using var chain = new Chain(device.Context, steps: 20);
        using var graph = chain.Stream.Capture(chain.List);
        using var ev = chain.Stream.Record();
        Step();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++)
            Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Step()
        {
            chain.Stream.Run(chain.List);
            chain.Stream.Launch(graph);
            chain.Stream.Record(ev);
            ev.Synchronize();
        }
    }

    [Fact]
    public void More_memory_than_there_is_is_refused_and_the_rest_works()
    {
        var context = device.Context;
        var error = Assert.Throws<CudaOutOfMemoryException>(() => context.Allocate(2 * context.TotalBytes, "everything"));
        Assert.Contains("of device memory for everything: ", error.Message, StringComparison.Ordinal);
        Assert.Contains($"is free on {context.Name}", error.Message, StringComparison.Ordinal);
        Assert.InRange(error.FreeBytes, 1, context.TotalBytes);
        using var chain = new Chain(context, steps: 3);
        Assert.Equal(chain.Expected(), chain.Result(stream => stream.Run(chain.List)));
    }
}
