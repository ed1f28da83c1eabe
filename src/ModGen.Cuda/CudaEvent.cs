namespace ModGen.Cuda;

/// <summary>A mark in a stream: to wait for, to ask after, to measure time between.</summary>
public sealed class CudaEvent : CudaResource
{
    internal CudaEvent(CudaContext context, nint handle)
        : base(context, handle)
    {
    }

    /// <summary>Whether everything before it has been done; true before it is first recorded.</summary>
    /// <exception cref="CudaException">Something before it failed.</exception>
    public bool IsComplete
    {
        get
        {
            Context.Enter();
            var result = Context.Driver.QueryEvent(Value);
            if (result != CudaResult.NotReady)
                Context.Check(result, "cuEventQuery");
            return result == CudaResult.Success;
        }
    }

    /// <summary>Waits until everything before it has been done.</summary>
    /// <exception cref="CudaException">Something before it failed.</exception>
    public void Synchronize()
    {
        Context.Enter();
        Context.Check(Context.Driver.SynchronizeEvent(Value), "cuEventSynchronize");
    }

    /// <summary>Microseconds of the device between an earlier event and this one, both timed, recorded and complete.</summary>
    /// <exception cref="CudaException">One of them is not.</exception>
    public double MicrosecondsSince(CudaEvent earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        Context.Enter();
        Context.Check(Context.Driver.ElapsedMilliseconds(earlier.Value, Value, out var milliseconds), "cuEventElapsedTime");
        return milliseconds * 1000.0;
    }

    private protected override void Free(IDriver driver, nint handle) => _ = driver.DestroyEvent(handle);
}
