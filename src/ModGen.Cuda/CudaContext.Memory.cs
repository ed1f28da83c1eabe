using System.Globalization;

namespace ModGen.Cuda;

public sealed partial class CudaContext
{
    /// <summary>Allocates device memory and fills it with zero.</summary>
    /// <param name="bytes">How much; at least 1.</param>
    /// <param name="what">What it is for, as "activations": part of the message when there is not enough.</param>
    /// <exception cref="CudaOutOfMemoryException">There is not so much; the message says what is free and who holds the rest.</exception>
    public DeviceMemory Allocate(long bytes, string what)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        Enter();
        var result = Driver.Allocate(bytes, out var address);
        if (result == CudaResult.OutOfMemory)
            throw OutOfMemory("cuMemAlloc", $"{Size(bytes)} of device memory for {what}", what, bytes);
        Check(result, "cuMemAlloc", what);
        var memory = new DeviceMemory(this, address, bytes);
        try
        {
            // Streams made here do not wait for the default stream, so the zeros must be there when this returns.
            Check(Driver.Fill(address, 0, bytes, 0), "cuMemsetD8Async", what);
            Check(Driver.SynchronizeStream(0), "cuStreamSynchronize", what);
            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>Allocates host memory that the device can copy from and to on its own, filled with zero.</summary>
    /// <param name="bytes">How much; at least 1.</param>
    /// <exception cref="CudaOutOfMemoryException">The system gives no more such memory.</exception>
    public PinnedMemory AllocatePinned(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        Enter();
        var result = Driver.AllocatePinned(bytes, out var address);
        if (result == CudaResult.OutOfMemory)
            throw new CudaOutOfMemoryException($"Cannot allocate {Size(bytes)} of pinned host memory: the system locks no more pages for this process; use a smaller batch or raise the limit of locked memory.", "cuMemHostAlloc", "pinned host memory", bytes, 0, Driver.ErrorName(result));
        Check(result, "cuMemHostAlloc");
        var memory = new PinnedMemory(this, address, bytes);
        for (long offset = 0; offset < bytes; offset += int.MaxValue)
            memory.Span<byte>(offset, (int)Math.Min(bytes - offset, int.MaxValue)).Clear();
        return memory;
    }

    /// <summary>Counts memory that was allocated (or, negative, freed).</summary>
    internal void Account(long bytes) => Interlocked.Add(ref _allocated, bytes);

    private CudaException Failure(CudaResult result, string call, string? about)
    {
        if (result == CudaResult.OutOfMemory)
            return OutOfMemory(call, about is null ? "what the driver needs" : $"what the driver needs for {about}", about ?? call, 0);
        var of = about is null ? "" : $" of {about}";
        // The driver reports what a kernel did wrong at the next call that looks, which is rarely the one to blame.
        var hint = (int)result is >= 700 and < 720 && !CheckEveryLaunch ? " A kernel launched earlier failed; MODGEN_CHECK_LAUNCHES=1 names it." : "";
        return new CudaException($"{call}{of} failed on {Name}: {CudaPlatform.Failure(Driver, result)}.{hint}", call, about, result, Driver.ErrorName(result));
    }

    private CudaOutOfMemoryException OutOfMemory(string call, string wanted, string what, long bytes)
    {
        var held = AllocatedBytes;
        var state = $"{Name} is full";
        if (Driver.MemoryInfo(out var free, out var total) == CudaResult.Success)
            state = $"{Size(free)} of {Size(total)} is free on {Name} (this model holds {Size(held)}, other processes and the driver {Size(Math.Max(0, total - free - held))})";
        return new CudaOutOfMemoryException($"Cannot allocate {wanted}: {state}; use a smaller batch or model.", call, what, bytes, free, Driver.ErrorName(CudaResult.OutOfMemory));
    }

    private static string Size(long bytes)
    {
        const double Ki = 1024, Mi = Ki * 1024, Gi = Mi * 1024;
        return bytes switch
        {
            >= (long)Gi => string.Create(CultureInfo.InvariantCulture, $"{bytes / Gi:F1} GiB"),
            >= (long)Mi => string.Create(CultureInfo.InvariantCulture, $"{bytes / Mi:F1} MiB"),
            >= (long)Ki => string.Create(CultureInfo.InvariantCulture, $"{bytes / Ki:F1} KiB"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
        };
    }
}
