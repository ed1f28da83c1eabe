using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace ModGen.Cuda;

/// <summary>
/// Something that belongs to a device and is freed once. It keeps the device's context alive until then, so that neither
/// Dispose nor a finalizer ever meets a context that is gone.
/// </summary>
public abstract class CudaResource : SafeHandle
{
    private readonly ContextHandle _owner;

    private protected CudaResource(CudaContext context, nint handle)
        : base(0, ownsHandle: true)
    {
        Context = context;
        _owner = context.Handle;
        var added = false;
        _owner.DangerousAddRef(ref added);
        SetHandle(handle);
    }

    /// <inheritdoc/>
    public sealed override bool IsInvalid => handle == 0;

    /// <summary>The device it belongs to.</summary>
    internal CudaContext Context { get; }

    /// <summary>The driver's handle or address.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    internal nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>Gives it back to the driver; the context is current.</summary>
    private protected abstract void Free(IDriver driver, nint handle);

    /// <inheritdoc/>
    protected sealed override bool ReleaseHandle()
    {
        // A status here would only repeat the failure that the caller has seen, or say that the process is ending.
        if (_owner.Driver.SetCurrent(_owner.Value) == CudaResult.Success)
            Free(_owner.Driver, handle);
        _owner.DangerousRelease();
        return true;
    }
}

/// <summary>A device's primary context, retained.</summary>
internal sealed class ContextHandle : SafeHandle
{
    private static readonly ConcurrentDictionary<nint, Lock> Turns = new();
    private readonly int _device;

    public ContextHandle(IDriver driver, int device, nint context)
        : base(0, ownsHandle: true)
    {
        Driver = driver;
        _device = device;
        SetHandle(context);
    }

    public override bool IsInvalid => handle == 0;

    public IDriver Driver { get; }

    public nint Value => handle;

    /// <summary>The same for all who have retained the context of a device.</summary>
    public Lock Turn => Turns.GetOrAdd(handle, static _ => new Lock());

    protected override bool ReleaseHandle()
    {
        _ = Driver.ReleaseContext(_device);
        return true;
    }
}
