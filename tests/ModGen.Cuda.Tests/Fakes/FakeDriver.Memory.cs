using System.Runtime.InteropServices;

namespace ModGen.Cuda.Tests.Fakes;

internal sealed unsafe partial class FakeDriver
{
    public CudaResult MemoryInfo(out long free, out long total)
    {
        (free, total) = (TotalBytes - HeldElsewhere - LiveBytes, TotalBytes);
        return InContext("cuMemGetInfo");
    }

    public CudaResult Allocate(long bytes, out ulong address)
    {
        address = 0;
        var result = InContext("cuMemAlloc");
        if (result != CudaResult.Success)
            return result;
        lock (_gate)
        {
            if (bytes > TotalBytes - HeldElsewhere - LiveBytes)
                return CudaResult.OutOfMemory;
            var block = NativeMemory.AlignedAlloc((nuint)bytes, 256);
            new Span<byte>(block, (int)bytes).Fill(0xCD);
            address = (ulong)block;
            _blocks.Add(address, bytes);
        }

        return result;
    }

    public CudaResult Free(ulong address)
    {
        var result = InContext("cuMemFree");
        lock (_gate)
            _blocks.Remove(address);
        NativeMemory.AlignedFree((void*)address);
        return result;
    }

    public CudaResult AllocatePinned(long bytes, out nint address)
    {
        address = 0;
        var result = InContext("cuMemHostAlloc");
        if (result == CudaResult.Success)
            address = (nint)NativeMemory.Alloc((nuint)bytes);
        return result;
    }

    public CudaResult FreePinned(nint address)
    {
        NativeMemory.Free((void*)address);
        return InContext("cuMemFreeHost");
    }
}
