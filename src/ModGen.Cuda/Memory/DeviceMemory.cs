namespace ModGen.Cuda;

/// <summary>A block of device memory, zero when allocated, aligned to 256 bytes.</summary>
public sealed class DeviceMemory : CudaResource
{
    internal DeviceMemory(CudaContext context, ulong address, long bytes)
        : base(context, (nint)address)
    {
        Bytes = bytes;
        context.Account(bytes);
    }

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    /// <summary>Its first byte.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public DevicePointer Pointer => new((ulong)Value);

    private protected override void Free(IDriver driver, nint handle)
    {
        _ = driver.Free((ulong)handle);
        Context.Account(-Bytes);
    }
}
