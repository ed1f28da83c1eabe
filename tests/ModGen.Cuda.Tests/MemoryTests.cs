using System.Runtime.CompilerServices;
using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public sealed class MemoryTests : IDisposable
{
    private readonly FakeMachine _machine = new();

    [Fact]
    public void Memory_is_zero_and_waited_for()
    {
        using var context = _machine.Open();
        using var memory = context.Allocate(1000, "a test");
        using var stream = context.CreateStream();
        Assert.Equal(["cuMemAlloc", "cuMemsetD8Async", "cuStreamSynchronize"], _machine.Driver.Calls.Where(call => call is "cuMemAlloc" or "cuMemsetD8Async" or "cuStreamSynchronize"));
        var bytes = new byte[1000];
        bytes.AsSpan().Fill(1);
        stream.Download(bytes.AsSpan(), memory.Pointer);
        Assert.All(bytes, value => Assert.Equal(0, value));
        using var pinned = context.AllocatePinned(64);
        Assert.All(pinned.Span<int>(0, 16).ToArray(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Too_little_memory_is_said_with_what_was_asked_and_who_holds_the_rest()
    {
        _machine.Driver.HeldElsewhere = 70L << 30;
        using var context = _machine.Open();
        using var held = context.Allocate(512 << 20, "weights");
        var error = Assert.Throws<CudaOutOfMemoryException>(() => context.Allocate((16L << 30) + (1L << 29), "activations"));
        Assert.Equal(
            "Cannot allocate 16.5 GiB of device memory for activations: 9.5 GiB of 80.0 GiB is free on NVIDIA H100 80GB HBM3 "
            + "(this model holds 512.0 MiB, other processes and the driver 70.0 GiB); use a smaller batch or model.",
            error.Message);
        Assert.Equal(("activations", (16L << 30) + (1L << 29), (9L << 30) + (1L << 29), "cuMemAlloc"), (error.What, error.RequestedBytes, error.FreeBytes, error.Call));
        // What is there can still be had.
        using var small = context.Allocate(100, "a little");
        Assert.Equal((512L << 20) + 100, context.AllocatedBytes);
    }

    [Fact]
    public void A_second_process_that_fills_the_device_meanwhile_is_said()
    {
        using var context = _machine.Open();
        _machine.Driver.HeldElsewhere = (80L << 30) - 10;
        var error = Assert.Throws<CudaOutOfMemoryException>(() => context.Allocate(1000, "gradients"));
        Assert.Contains("Cannot allocate 1000 bytes of device memory for gradients: 10 bytes of 80.0 GiB is free", error.Message, StringComparison.Ordinal);
        _machine.Driver.HeldElsewhere = 0;
        context.Allocate(1000, "gradients").Dispose();
    }

    [Fact]
    public void Memory_that_the_driver_lacks_for_itself_is_the_same_error()
    {
        using var context = _machine.Open();
        _machine.Driver.Fail = call => call == "cuStreamCreate" ? CudaResult.OutOfMemory : CudaResult.Success;
        var error = Assert.Throws<CudaOutOfMemoryException>(() => context.CreateStream());
        Assert.Equal("cuStreamCreate", error.Call);
        Assert.Contains("80.0 GiB of 80.0 GiB is free", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pinned_memory_that_the_system_refuses_is_said()
    {
        using var context = _machine.Open();
        _machine.Driver.Fail = call => call == "cuMemHostAlloc" ? CudaResult.OutOfMemory : CudaResult.Success;
        Assert.Contains("4.0 KiB", Assert.Throws<CudaOutOfMemoryException>(() => context.AllocatePinned(4096)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_whose_clearing_fails_is_freed()
    {
        using var context = _machine.Open();
        _machine.Driver.Fail = call => call == "cuMemsetD8Async" ? CudaResult.IllegalAddress : CudaResult.Success;
        var error = Assert.Throws<CudaException>(() => context.Allocate(1000, "weights"));
        Assert.Equal(("cuMemsetD8Async", "weights", 700, "CUDA_ERROR_ILLEGAL_ADDRESS"), (error.Call, error.Kernel, error.Result, error.ResultName));
        Assert.Equal((0, 0L), (_machine.Driver.LiveBlocks, context.AllocatedBytes));
    }

    [Fact]
    public void What_is_made_from_a_context_may_outlive_it()
    {
        var context = _machine.Open();
        var memory = context.Allocate(1000, "weights");
        var stream = context.CreateStream();
        context.Load([FakeMachine.ListOf("one")]);
        context.Dispose();
        context.Dispose();
        Assert.Equal(0, _machine.Driver.LiveModules);
        Assert.Throws<ObjectDisposedException>(() => context.CreateStream());
        Assert.Throws<ObjectDisposedException>(() => stream.Synchronize());
        Assert.Equal(1, _machine.Driver.LiveContexts);
        memory.Dispose();
        memory.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Pointer);
        Assert.Equal((0, 1), (_machine.Driver.LiveBlocks, _machine.Driver.LiveContexts));
        stream.Dispose();
        Assert.Equal(0, _machine.Driver.LiveContexts);
    }

    [Fact]
    public void Forgotten_memory_is_freed_by_the_collector_while_its_context_lives()
    {
        Forget();
        for (var i = 0; i < 20 && _machine.Driver.LiveContexts > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal((0, 0), (_machine.Driver.LiveBlocks, _machine.Driver.LiveContexts));
        // The context goes last: nothing is freed into one that is gone.
        Assert.Equal("cuDevicePrimaryCtxRelease", _machine.Driver.Calls[^1]);

        [MethodImpl(MethodImplOptions.NoInlining)]
        void Forget()
        {
            var context = _machine.Open();
            _ = context.Allocate(1000, "nothing");
            _ = context.AllocatePinned(1000);
            context.Load([FakeMachine.ListOf("one")]);
        }
    }

    [Fact]
    public async Task Any_thread_may_call()
    {
        using var context = _machine.Open();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(
            () =>
            {
                using var memory = context.Allocate(100, "a thread");
                using var stream = context.CreateStream();
                stream.Upload(memory.Pointer, [1, 2, 3]);
                var back = new int[3];
                stream.Download(back.AsSpan(), memory.Pointer);
                Assert.Equal([1, 2, 3], back);
                Assert.True(context.FreeBytes > 0);
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        Assert.Equal(0, context.AllocatedBytes);
    }

    [Fact]
    public void Transfers_wait_unless_the_memory_is_pinned()
    {
        using var context = _machine.Open();
        using var memory = context.Allocate(256, "a test");
        using var pinned = context.AllocatePinned(128);
        using var stream = context.CreateStream();
        Assert.Equal(1, Waits(() => stream.Upload(memory.Pointer, new float[] { 1, 2 }.AsSpan())));
        Assert.Equal(1, Waits(() => stream.Download(new float[2].AsSpan(), memory.Pointer)));
        Assert.Equal(0, Waits(() => stream.Upload<float>(memory.Pointer, pinned.Span<float>(0, 32))));
        Assert.Equal(0, Waits(() => stream.Download(pinned.Span<float>(64, 16), memory.Pointer)));
        Assert.Equal(0, Waits(() => stream.Upload<float>(memory.Pointer, [])));
        pinned.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pinned.Span<float>(0, 1));

        int Waits(Action transfer)
        {
            _machine.Driver.Calls.Clear();
            transfer();
            return _machine.Driver.Calls.Count(call => call == "cuStreamSynchronize");
        }
    }

    [Theory]
    [InlineData(-4, 1)]
    [InlineData(0, 33)]
    [InlineData(128, 1)]
    [InlineData(2, 1)]
    [InlineData(0, -1)]
    public void A_range_outside_pinned_memory_is_refused(long offset, int length)
    {
        using var context = _machine.Open();
        using var pinned = context.AllocatePinned(128);
        Assert.Throws<ArgumentOutOfRangeException>(() => pinned.Span<int>(offset, length));
        Assert.Equal(32, pinned.Span<int>(0, 32).Length);
        Assert.Equal(0, pinned.Span<int>(128, 0).Length);
    }

    public void Dispose() => _machine.Dispose();
}
