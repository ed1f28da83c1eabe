using System.Runtime.InteropServices;

namespace ModGen.Cpu;

/// <summary>64-byte aligned native memory that one kernel or one thread of it works in. It grows to what was ever asked and is then reused.</summary>
internal sealed unsafe class Scratch : IDisposable
{
    private float* _memory;
    private long _length;

    /// <summary>At least <paramref name="length"/> floats. A later call invalidates what an earlier one gave.</summary>
    public float* Floats(long length)
    {
        if (length > _length)
            Grow(length);
        return _memory;
    }

    private void Grow(long length)
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _length = 0;
        var rounded = (length + 1023) & ~1023L;
        _memory = (float*)LargePages.Allocate(checked((nuint)rounded * sizeof(float)));
        _length = rounded;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _length = 0;
        GC.SuppressFinalize(this);
    }

    ~Scratch() => NativeMemory.AlignedFree(_memory);
}
