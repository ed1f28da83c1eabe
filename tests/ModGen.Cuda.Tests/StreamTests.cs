using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public sealed class StreamTests : IDisposable
{
    private readonly FakeMachine _machine = new();

    public unsafe StreamTests() => _machine.Driver.Kernels["add"] = parameters => **(int**)parameters[0] += *(int*)parameters[1];

    [Fact]
    public void A_list_runs_in_order()
    {
        using var run = new Run(_machine);
        run.Stream.Run(run.List);
        Assert.Equal([12, 12, 7, 0], run.Values());
    }

    [Fact]
    public void A_graph_does_what_its_lists_do_and_nothing_before_it_is_launched()
    {
        using var run = new Run(_machine);
        using var graph = run.Stream.Capture(run.List, run.More);
        Assert.Equal([0, 0, 0, 0], run.Values());
        Assert.Equal(7, graph.Nodes);
        run.Stream.Launch(graph);
        var once = run.Values();
        run.Stream.Launch(graph);
        var twice = run.Values();
        using var direct = new Run(_machine);
        direct.Stream.Run(direct.List);
        direct.Stream.Run(direct.More);
        Assert.Equal(direct.Values(), once);
        direct.Stream.Run(direct.List);
        direct.Stream.Run(direct.More);
        Assert.Equal(direct.Values(), twice);
        Assert.NotEqual(once, twice);
        Assert.Equal(1, _machine.Driver.LiveGraphs);
    }

    [Fact]
    public void Only_behind_a_kernel_may_a_kernel_start_early()
    {
        using var run = new Run(_machine);
        run.Stream.Run(run.List);
        Assert.Equal([false, true, false], _machine.Driver.Launches.Select(launch => launch.Dependent));
        _machine.Driver.Launches.Clear();
        // A graph's first kernel follows nothing; across lists the order is that of one list; the last follows a copy.
        using var graph = run.Stream.Capture(run.More, run.List, run.More);
        Assert.Equal([false, true, true, true, false, false, true], _machine.Driver.Launches.Select(launch => launch.Dependent));
    }

    [Theory]
    [InlineData(8, 13000)]
    [InlineData(9, 12020)]
    public void Before_hopper_or_on_a_driver_that_cannot_capture_it_no_kernel_starts_early(int major, int driver)
    {
        _machine.Driver.Capability = (major, 0);
        _machine.Driver.Version = driver;
        using var run = new Run(_machine);
        run.Stream.Run(run.List);
        Assert.Equal(3, _machine.Driver.Launches.Count);
        Assert.All(_machine.Driver.Launches, launch => Assert.False(launch.Dependent));
    }

    [Fact]
    public void A_launch_has_its_kernels_shape()
    {
        using var context = _machine.Open();
        using var stream = context.CreateStream();
        var list = new LaunchList();
        list.Add(FakeMachine.Named("shaped") with { Threads = 384, SharedBytes = 100_000, Cluster = 2 }, 6, []);
        stream.Run(list);
        var launch = Assert.Single(_machine.Driver.Launches);
        Assert.Equal((6, 384, 100_000, 2), (launch.Blocks, launch.Threads, launch.SharedBytes, launch.Cluster));
    }

    [Fact]
    public void A_refused_launch_names_the_kernel()
    {
        using var run = new Run(_machine);
        _machine.Driver.Fail = call => call == "cuLaunchKernelEx" ? CudaResult.InvalidValue : CudaResult.Success;
        var error = Assert.Throws<CudaException>(() => run.Stream.Run(run.List));
        Assert.Equal(("cuLaunchKernelEx", "add", "CUDA_ERROR_INVALID_VALUE"), (error.Call, error.Kernel, error.ResultName));
        Assert.StartsWith("cuLaunchKernelEx of add failed on NVIDIA H100 80GB HBM3: CUDA_ERROR_INVALID_VALUE (1): ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_kernel_did_wrong_is_said_to_be_an_earlier_ones_fault()
    {
        using var run = new Run(_machine);
        _machine.Driver.Fail = call => call == "cuStreamSynchronize" ? CudaResult.IllegalAddress : CudaResult.Success;
        run.Stream.Run(run.List);
        var error = Assert.Throws<CudaException>(() => run.Stream.Synchronize());
        Assert.Contains("MODGEN_CHECK_LAUNCHES=1", error.Message, StringComparison.Ordinal);
        Assert.Contains("an illegal memory access was encountered", error.Message, StringComparison.Ordinal);
        run.Context.CheckEveryLaunch = true;
        error = Assert.Throws<CudaException>(() => run.Stream.Run(run.List));
        Assert.Equal("add", error.Kernel);
        Assert.DoesNotContain("MODGEN_CHECK_LAUNCHES", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cuStreamBeginCapture")]
    [InlineData("cuLaunchKernelEx")]
    [InlineData("cuGraphInstantiateWithFlags")]
    [InlineData("cuGraphUpload")]
    public void A_capture_that_fails_leaves_nothing_behind(string failing)
    {
        using var run = new Run(_machine);
        _machine.Driver.Fail = call => call == failing ? CudaResult.OutOfMemory : CudaResult.Success;
        Assert.Throws<CudaOutOfMemoryException>(() => run.Stream.Capture(run.List));
        Assert.False(_machine.Driver.Capturing);
        Assert.Equal(0, _machine.Driver.LiveGraphs);
        Assert.Equal(_machine.Driver.Calls.Count(call => call == "cuStreamCreate"), _machine.Driver.Calls.Count(call => call == "cuStreamDestroy") + 1);
        _machine.Driver.Fail = _ => CudaResult.Success;
        run.Stream.Run(run.List);
        Assert.Equal([12, 12, 7, 0], run.Values());
    }

    [Fact]
    public void To_wait_for_a_stream_while_it_captures_disturbs_neither()
    {
        using var run = new Run(_machine);
        run.Context.Load([run.List]);
        var waits = 0;
        _machine.Driver.Fail = call =>
        {
            if (call != "cuLaunchKernelEx")
                return CudaResult.Success;
            // As another thread would in the middle of it.
            run.Stream.Synchronize();
            waits++;
            return CudaResult.Success;
        };
        using var graph = run.Stream.Capture(run.List);
        Assert.Equal(3, waits);
        run.Stream.Launch(graph);
        Assert.Equal([12, 12, 7, 0], run.Values());
    }

    [Fact]
    public void Every_launch_is_timed_between_its_own_events()
    {
        using var run = new Run(_machine);
        run.Context.Load([run.List]);
        _machine.Driver.Calls.Clear();
        var times = run.Stream.Time(run.List, 3);
        Assert.Equal(run.List.Launches, times.Select(time => time.Launch));
        Assert.All(times, time => Assert.Equal(1000.0, time.Microseconds));
        Assert.Equal(run.List.Launches.Count + 1, _machine.Driver.Calls.Count(call => call == "cuEventRecord(node)"));
        Assert.Equal(4, _machine.Driver.Calls.Count(call => call == "cuGraphLaunch"));
        Assert.Equal(run.List.Launches.Count + 1, _machine.Driver.Calls.Count(call => call == "cuEventDestroy"));
        Assert.Equal(0, _machine.Driver.LiveGraphs);
        Assert.Throws<ArgumentOutOfRangeException>(() => run.Stream.Time(run.List, 0));
    }

    [Fact]
    public void Running_a_loaded_list_calls_nothing_but_its_launches()
    {
        using var run = new Run(_machine);
        run.Context.Load([run.List]);
        _machine.Driver.Calls.Clear();
        run.Stream.Run(run.List);
        Assert.Equal(["cuCtxSetCurrent", "cuLaunchKernelEx", "cuLaunchKernelEx", "cuMemcpyAsync", "cuLaunchKernelEx", "cuMemsetD8Async"], _machine.Driver.Calls);
    }

    [Fact]
    public void Events_are_recorded_waited_for_and_asked()
    {
        using var run = new Run(_machine);
        using var other = run.Context.CreateStream();
        using var ev = run.Stream.Record();
        other.WaitFor(ev);
        Assert.True(ev.IsComplete);
        _machine.Driver.Fail = call => call == "cuEventQuery" ? CudaResult.NotReady : CudaResult.Success;
        Assert.False(ev.IsComplete);
        ev.Synchronize();
        _machine.Driver.Fail = call => call is "cuEventSynchronize" or "cuEventQuery" ? CudaResult.IllegalAddress : CudaResult.Success;
        Assert.Throws<CudaException>(() => ev.Synchronize());
        Assert.Throws<CudaException>(() => ev.IsComplete);
    }

    public void Dispose() => _machine.Dispose();

    /// <summary>Four ints on the device and lists that change them.</summary>
    private sealed class Run : IDisposable
    {
        private readonly DeviceMemory _memory;

        public Run(FakeMachine machine)
        {
            Context = machine.Open();
            Stream = Context.CreateStream();
            _memory = Context.Allocate(16, "four ints");
            var at = _memory.Pointer;
            List.Add(FakeMachine.Add, 1, [at, 5]);
            List.Add(FakeMachine.Add, 1, [at, 7]);
            List.Copy(at + 4, at, 4);
            List.Add(FakeMachine.Add, 1, [at + 8, 7]);
            List.Clear(at + 12, 4);
            More.Add(FakeMachine.Add, 1, [at + 12, 3]);
            More.Add(FakeMachine.Add, 1, [at, 1]);
        }

        public CudaContext Context { get; }

        public CudaStream Stream { get; }

        public LaunchList List { get; } = new();

        public LaunchList More { get; } = new();

        public int[] Values()
        {
            var values = new int[4];
            Stream.Download(values.AsSpan(), _memory.Pointer);
            return values;
        }

        public void Dispose()
        {
            _memory.Dispose();
            Stream.Dispose();
            Context.Dispose();
        }
    }
}
