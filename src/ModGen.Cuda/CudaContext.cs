namespace ModGen.Cuda;

/// <summary>
/// An NVIDIA GPU, opened: its memory, its streams, and the kernels compiled for it. All members may be called from any
/// thread. Dispose it last; what was made from it keeps the device's context alive until it is disposed too.
/// </summary>
public sealed partial class CudaContext : IDisposable
{
    // Before 12.3 the driver does not capture dependent launches.
    private static readonly Version DependentLaunchDriver = new(12, 3);
    private readonly FoundDevice _found;
    private readonly KernelBuilder _builder;
    private readonly KernelCache _cache;
    private long _allocated;
    private volatile bool _disposed;

    internal CudaContext(FoundDevice found, ContextHandle handle, KernelBuilder builder, KernelCache cache, bool float32)
    {
        _found = found;
        Handle = handle;
        _builder = builder;
        _cache = cache;
        Float32 = float32;
        DependentLaunch = found.Capability.Major >= 9 && found.Driver >= DependentLaunchDriver && Environment.GetEnvironmentVariable("MODGEN_DEPENDENT_LAUNCH") != "0";
        CheckEveryLaunch = Environment.GetEnvironmentVariable("MODGEN_CHECK_LAUNCHES") == "1";
    }

    /// <summary>CUDA devices of this machine; 0 where there is no driver. Never throws.</summary>
    public static int Count => CudaPlatform.Machine.Count;

    /// <summary>The device's name, as NVIDIA H100 80GB HBM3.</summary>
    public string Name => _found.Name;

    /// <summary>Its number, from 0.</summary>
    public int Ordinal => _found.Ordinal;

    /// <summary>Whether kernels compute on float32 operands instead of bfloat16.</summary>
    public bool Float32 { get; }

    /// <summary>Its compute capability, as 9.0.</summary>
    public Version ComputeCapability => _found.Capability;

    /// <summary>Its streaming multiprocessors.</summary>
    public int Processors => _found.Processors;

    /// <summary>The most shared memory that a block of it may have.</summary>
    public int SharedBytesPerBlock => _found.SharedBytesPerBlock;

    /// <summary>Its memory.</summary>
    public long TotalBytes => _found.TotalBytes;

    /// <summary>The part of its memory that no process holds at this moment.</summary>
    public long FreeBytes
    {
        get
        {
            Enter();
            Check(Driver.MemoryInfo(out var free, out _), "cuMemGetInfo");
            return free;
        }
    }

    /// <summary>
    /// To be held while kernels are under way whose blocks wait for one another, over all of this process's contexts of the device:
    /// such a kernel needs room for all of its blocks at once, and two that have each taken half of it wait for ever.
    /// </summary>
    public Lock Turn => Handle.Turn;

    /// <summary>What this context has allocated and not freed.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocated);

    /// <summary>The CUDA versions of the driver and of NVRTC, for people.</summary>
    public string Versions => $"driver {_found.Driver}, NVRTC {_found.Compiler}";

    /// <summary>Where compiled kernels are kept; null when they are not.</summary>
    public string? CacheFolder => _cache.Problem is null ? _cache.Folder : null;

    /// <summary>Why compiled kernels are not kept from run to run; null when they are.</summary>
    public string? CacheProblem => _cache.Problem;

    /// <summary>The retained context of the device.</summary>
    internal ContextHandle Handle { get; }

    internal IDriver Driver => Handle.Driver;

    /// <summary>Blocks of pinned memory.</summary>
    internal PinnedRanges Pinned { get; } = new();

    /// <summary>Whether a kernel may start before the one in front of it has finished. MODGEN_DEPENDENT_LAUNCH=0 turns it off.</summary>
    internal bool DependentLaunch { get; }

    /// <summary>Whether every launch outside a graph is waited for, so that a failing kernel is named: MODGEN_CHECK_LAUNCHES=1.</summary>
    internal bool CheckEveryLaunch { get; set; }

    /// <summary>Why a device cannot be used, in one line; null when it can.</summary>
    /// <param name="ordinal">The device's number, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public static string? WhyUnavailable(int ordinal) => CudaPlatform.Machine.WhyUnavailable(ordinal);

    /// <summary>Opens a device.</summary>
    /// <param name="ordinal">The device's number, from 0.</param>
    /// <param name="float32">Whether kernels compute on float32 operands instead of bfloat16.</param>
    /// <exception cref="CudaException">It cannot be used; the message is that of <see cref="WhyUnavailable"/>.</exception>
    public static CudaContext Open(int ordinal, bool float32) => CudaPlatform.Machine.Open(ordinal, float32);

    /// <summary>Makes a stream.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaStream CreateStream()
    {
        Enter();
        Check(Driver.CreateStream(out var stream), "cuStreamCreate");
        return new CudaStream(this, stream);
    }

    /// <summary>Makes an event that has not been recorded.</summary>
    /// <param name="timed">Whether time can be measured between it and another.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaEvent CreateEvent(bool timed = false)
    {
        Enter();
        Check(Driver.CreateEvent(timed, out var ev), "cuEventCreate");
        return new CudaEvent(this, ev);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        lock (_loaded)
        {
            foreach (var kernel in _loaded.Values)
                kernel.Dispose();
            _loaded.Clear();
        }

        Handle.Dispose();
    }

    /// <summary>Makes the device current on this thread.</summary>
    /// <exception cref="ObjectDisposedException">The context has been disposed.</exception>
    internal void Enter()
    {
        // Not the handle's own state: what was made from the context keeps that one open.
        ObjectDisposedException.ThrowIf(_disposed, this);
        Check(Driver.SetCurrent(Handle.Value), "cuCtxSetCurrent");
    }

    /// <summary>Throws when a call failed.</summary>
    /// <param name="result">The call's status.</param>
    /// <param name="call">The entry point.</param>
    /// <param name="about">The kernel or what else it was about.</param>
    internal void Check(CudaResult result, string call, string? about = null)
    {
        if (result != CudaResult.Success)
            throw Failure(result, call, about);
    }
}
