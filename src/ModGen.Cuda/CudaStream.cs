using System.Runtime.CompilerServices;

namespace ModGen.Cuda;

/// <summary>
/// A queue of the device: what is put into it runs in order, while the program goes on. One thread at a time; several streams
/// run side by side.
/// </summary>
public sealed unsafe partial class CudaStream : CudaResource
{
    internal CudaStream(CudaContext context, nint handle)
        : base(context, handle)
    {
    }

    /// <summary>Puts every launch of a list into the queue.</summary>
    /// <exception cref="CudaException">A kernel does not load, or the driver refuses a launch.</exception>
    public void Run(LaunchList list)
    {
        ArgumentNullException.ThrowIfNull(list);
        Context.Prepare(list);
        Context.Enter();
        Enqueue(list, afterKernel: false, Context.CheckEveryLaunch);
    }

    /// <summary>Puts a graph into the queue.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void Launch(CudaGraph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        Context.Enter();
        Context.Check(Context.Driver.LaunchGraph(graph.Value, Value), "cuGraphLaunch");
    }

    /// <summary>Copies to the device. Returns at once when the source lies in pinned memory, which must then stay as it is; else when it is done.</summary>
    /// <exception cref="CudaException">The driver refuses, or something before it failed.</exception>
    public void Upload<T>(DevicePointer to, ReadOnlySpan<T> from) where T : unmanaged
    {
        if (from.IsEmpty)
            return;
        Context.Enter();
        var bytes = (long)from.Length * Unsafe.SizeOf<T>();
        fixed (T* p = from)
        {
            Context.Check(Context.Driver.Upload(to.Address, p, bytes, Value), "cuMemcpyHtoDAsync");
            if (!Context.Pinned.Hold((nint)p, bytes))
                Synchronize();
        }
    }

    /// <summary>Copies to the device; see the other overload.</summary>
    public void Upload<T>(DevicePointer to, Span<T> from) where T : unmanaged => Upload(to, (ReadOnlySpan<T>)from);

    /// <summary>Copies from the device. Returns at once when the destination lies in pinned memory, which is filled by the time of a later wait; else when it is done.</summary>
    /// <exception cref="CudaException">The driver refuses, or something before it failed.</exception>
    public void Download<T>(Span<T> to, DevicePointer from) where T : unmanaged
    {
        if (to.IsEmpty)
            return;
        Context.Enter();
        var bytes = (long)to.Length * Unsafe.SizeOf<T>();
        fixed (T* p = to)
        {
            Context.Check(Context.Driver.Download(p, from.Address, bytes, Value), "cuMemcpyDtoHAsync");
            if (!Context.Pinned.Hold((nint)p, bytes))
                Synchronize();
        }
    }

    /// <summary>Fills memory with a byte: zero, or a pattern that shows what is never written.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void Fill(DevicePointer at, byte value, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes == 0)
            return;
        Context.Enter();
        Context.Check(Context.Driver.Fill(at.Address, value, bytes, Value), "cuMemsetD8Async");
    }

    /// <summary>Makes an event and records it behind everything in the queue.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaEvent Record()
    {
        var ev = Context.CreateEvent();
        Record(ev);
        return ev;
    }

    /// <summary>Records an event again, behind everything in the queue.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void Record(CudaEvent ev)
    {
        ArgumentNullException.ThrowIfNull(ev);
        Context.Enter();
        Context.Check(Context.Driver.RecordEvent(ev.Value, Value, node: false), "cuEventRecord");
    }

    /// <summary>Lets what follows in this queue wait for an event of another; the program goes on.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void WaitFor(CudaEvent ev)
    {
        ArgumentNullException.ThrowIfNull(ev);
        Context.Enter();
        Context.Check(Context.Driver.WaitForEvent(Value, ev.Value), "cuStreamWaitEvent");
    }

    /// <summary>Waits until the queue is empty.</summary>
    /// <exception cref="CudaException">Something in it failed.</exception>
    public void Synchronize()
    {
        Context.Enter();
        Context.Check(Context.Driver.SynchronizeStream(Value), "cuStreamSynchronize");
    }

    private protected override void Free(IDriver driver, nint handle) => _ = driver.DestroyStream(handle);

    // Gives whether the last thing put in was a kernel: only behind a kernel may the next one start early.
    private bool Enqueue(LaunchList list, bool afterKernel, bool wait)
    {
        foreach (var launch in list.Entries)
        {
            Enqueue(launch, afterKernel);
            afterKernel = launch.Kind == LaunchKind.Kernel;
            if (wait)
                Context.Check(Context.Driver.SynchronizeStream(Value), "cuStreamSynchronize", launch.Name);
        }

        return afterKernel;
    }

    private void Enqueue(Launch launch, bool afterKernel)
    {
        var driver = Context.Driver;
        if (launch.Kind == LaunchKind.Copy)
        {
            Context.Check(driver.Copy(launch.To.Address, launch.From.Address, launch.Bytes, Value), "cuMemcpyAsync", launch.Name);
            return;
        }

        if (launch.Kind == LaunchKind.Clear)
        {
            Context.Check(driver.Fill(launch.To.Address, 0, launch.Bytes, Value), "cuMemsetD8Async", launch.Name);
            return;
        }

        var kernel = launch.Kernel!;
        var offsets = launch.Offsets;
        var pointers = stackalloc void*[offsets.Length + 1];
        fixed (byte* parameters = launch.Parameters)
        {
            for (var i = 0; i < offsets.Length; i++)
                pointers[i] = parameters + offsets[i];
            var request = new LaunchRequest(
                launch.Loaded!.Function, launch.Blocks, kernel.Threads, kernel.SharedBytes, kernel.Cluster, afterKernel && Context.DependentLaunch, Value);
            Context.Check(driver.Launch(request, pointers), "cuLaunchKernelEx", kernel.Name);
        }
    }
}
