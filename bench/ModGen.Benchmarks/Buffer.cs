using System.Runtime.InteropServices;

namespace ModGen.Benchmarks;

/// <summary>Aligned native memory with small random numbers.</summary>
internal sealed unsafe class Buffer : IDisposable
{
    private readonly int _length;

    public Buffer(int length, int seed = 1)
    {
        _length = length;
        Pointer = (float*)NativeMemory.AlignedAlloc((nuint)length * sizeof(float), 64);
        var random = new Random(seed + length);
        for (var i = 0; i < length; i++)
            Pointer[i] = random.NextSingle() - 0.5f;
    }

    public float* Pointer { get; private set; }

    public Span<float> Span => new(Pointer, _length);

    public void Dispose()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }
}
