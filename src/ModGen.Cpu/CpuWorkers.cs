using System.Runtime.Intrinsics;

namespace ModGen.Cpu;

/// <summary>The threads that kernels run on. Work is cut into pieces that do not depend on how many there are.</summary>
public sealed class CpuWorkers : IDisposable
{
    /// <summary>Starts the workers.</summary>
    /// <param name="threads">Threads, the caller's included; 0 for one a processor.</param>
    public CpuWorkers(int threads = 0) => Count = threads > 0 ? threads : Environment.ProcessorCount;

    /// <summary>Threads that share a kernel, the caller's included.</summary>
    public int Count { get; }

    /// <summary>Width of the vectors that kernels use on this machine: 512, 256 or 128.</summary>
    public static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
