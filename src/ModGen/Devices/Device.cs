using ModGen.Cpu;
using ModGen.Cuda;

namespace ModGen;

/// <summary>Where a model's parameters live and its programs run.</summary>
public abstract class Device : IDisposable
{
    /// <summary>A line for people: what the device is.</summary>
    public abstract string Name { get; }

    /// <summary>Why this device was chosen.</summary>
    public string Reason { get; private protected init; } = "asked for";

    /// <summary>
    /// The best device of this machine: the first CUDA device when driver, NVRTC and GPU answer, else the CPU with all its
    /// cores. <see cref="Reason"/> says why.
    /// </summary>
    public static Device Default => Best(CudaPrecision.BFloat16, threads: 0);

    /// <summary>As <see cref="Default"/>, with the precision of the one and the threads of the other.</summary>
    /// <param name="precision">What a GPU holds operands in.</param>
    /// <param name="threads">Threads of the CPU that work on a kernel; 0 for one a processor.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such precision, or the threads are fewer than 0.</exception>
    public static Device Best(CudaPrecision precision, int threads = 0)
    {
        var float32 = CudaDevice.IsFloat32(precision);
        return Best(CudaContext.WhyUnavailable(0), () => CudaContext.Open(0, float32), threads);
    }

    /// <summary>The GPU, where nothing is known to be in the way of opening it and nothing is found to be; else the CPU.</summary>
    internal static Device Best(string? why, Func<CudaContext> open, int threads)
    {
        try
        {
            if (why is null)
                return new CudaDevice(open()) { Reason = "driver, NVRTC and GPU answer" };
        }
        catch (CudaException e)
        {
            why = Errors.OneLine(e);
        }

        return new CpuDevice(threads) { Reason = $"CUDA cannot be used: {why.TrimEnd('.')}" };
    }

    /// <summary>The CPU.</summary>
    /// <param name="threads">Threads that work on a kernel; 0 for one a processor. Results do not depend on it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The threads are fewer than 0.</exception>
    public static CpuDevice Cpu(int threads = 0) => new(threads);

    /// <summary>An NVIDIA GPU of compute capability 8.0 or above.</summary>
    /// <param name="ordinal">Its number, from 0, as the driver counts.</param>
    /// <param name="precision">What operands are held in.</param>
    /// <exception cref="CudaException">It cannot be used; the message says what is missing: driver, NVRTC, the GPU itself.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or there is no such precision.</exception>
    public static CudaDevice Cuda(int ordinal = 0, CudaPrecision precision = CudaPrecision.BFloat16) => new(ordinal, precision);

    /// <summary>Memory for a model's parameters, zeroed.</summary>
    internal abstract ParameterMemory CreateParameters(long length);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the device holds.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>The CPU: float32, SIMD as wide as the hardware's, a fixed set of worker threads.</summary>
public sealed class CpuDevice : Device
{
    internal CpuDevice(int threads) => Workers = new CpuWorkers(threads);

    /// <summary>The threads that generated code runs its kernels on.</summary>
    public CpuWorkers Workers { get; }

    /// <inheritdoc/>
    public override string Name => $"CPU, {Workers.Count} thread{(Workers.Count == 1 ? "" : "s")}, {CpuWorkers.VectorBits}-bit vectors";

    internal override ParameterMemory CreateParameters(long length) => new HostParameterMemory(length);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Workers.Dispose();
    }
}
