using ModGen.Cpu;

namespace ModGen;

/// <summary>Where a model's parameters live and its programs run.</summary>
public abstract class Device : IDisposable
{
    /// <summary>A line for people: what the device is.</summary>
    public abstract string Name { get; }

    /// <summary>Why this device was chosen.</summary>
    public string Reason { get; private protected init; } = "asked for";

    /// <summary>The best device of this machine. Today that is the CPU with all its cores; <see cref="Reason"/> says why.</summary>
    public static Device Default => new CpuDevice(threads: 0) { Reason = "the only back end built so far" };

    /// <summary>The CPU.</summary>
    /// <param name="threads">Threads that work on a kernel; 0 for one a processor. Results do not depend on it.</param>
    public static CpuDevice Cpu(int threads = 0) => new(threads);

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
