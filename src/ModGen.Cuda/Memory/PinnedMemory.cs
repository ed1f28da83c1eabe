using System.Runtime.CompilerServices;

namespace ModGen.Cuda;

/// <summary>
/// Host memory that the device copies from and to while the program goes on; zero when allocated. Kernels and launch lists
/// reach it through <see cref="Pointer"/>.
/// </summary>
public sealed class PinnedMemory : CudaResource
{
    internal PinnedMemory(CudaContext context, nint address, long bytes)
        : base(context, address)
    {
        Bytes = bytes;
        context.Pinned.Add(address, bytes);
    }

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    /// <summary>Its address as the device sees it.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public DevicePointer Pointer => new((ulong)Value);

    /// <summary>Elements of it.</summary>
    /// <param name="offset">The first byte; a multiple of the element's size.</param>
    /// <param name="length">Number of elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the memory.</exception>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public unsafe Span<T> Span<T>(long offset, int length) where T : unmanaged
    {
        var size = Unsafe.SizeOf<T>();
        if (offset < 0 || offset % size != 0 || length < 0 || offset > Bytes - (long)length * size)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} elements of {size} bytes at byte {offset} leave pinned memory of {Bytes} bytes or are not aligned in it.");
        return new Span<T>((byte*)Value + offset, length);
    }

    private protected override void Free(IDriver driver, nint handle)
    {
        Context.Pinned.Remove(handle);
        _ = driver.FreePinned(handle);
    }
}

/// <summary>The pinned blocks of a device, asked at every transfer whether it may go on after the call returns.</summary>
internal sealed class PinnedRanges
{
    private readonly Lock _gate = new();
    private (nint Address, long Bytes)[] _ranges = [];

    public void Add(nint address, long bytes)
    {
        lock (_gate)
            Volatile.Write(ref _ranges, [.. _ranges, (address, bytes)]);
    }

    public void Remove(nint address)
    {
        lock (_gate)
            Volatile.Write(ref _ranges, Array.FindAll(_ranges, range => range.Address != address));
    }

    /// <summary>Whether one block holds all of these bytes.</summary>
    public bool Hold(nint address, long bytes)
    {
        foreach (var range in Volatile.Read(ref _ranges))
        {
            if (address >= range.Address && address - range.Address <= range.Bytes - bytes)
                return true;
        }

        return false;
    }
}
