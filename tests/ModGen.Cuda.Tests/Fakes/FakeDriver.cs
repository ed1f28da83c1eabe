using System.Collections.Concurrent;

namespace ModGen.Cuda.Tests.Fakes;

/// <summary>A kernel of the fake device: works on the parameters it was launched with.</summary>
internal unsafe delegate void FakeKernel(void** parameters);

/// <summary>
/// A device in host memory. Work is done when it is put into a stream, or when the graph that captured it is launched. Every
/// call that needs a current context checks that it has one that is alive; any call can be made to fail.
/// </summary>
internal sealed unsafe partial class FakeDriver : IDriver
{
    public const CudaResult NoContext = (CudaResult)201;
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, long> _blocks = [];
    private readonly Dictionary<nint, string[]> _modules = [];
    private readonly Dictionary<nint, (string Name, int[] Sizes)> _functions = [];
    private readonly Dictionary<nint, List<Action>> _graphs = [];
    // By thread: the context that is current on it.
    private readonly ConcurrentDictionary<int, nint> _current = [];
    private readonly Dictionary<nint, List<Action>> _captures = [];
    private nint _handles = 0x1000;

    public int Version { get; set; } = 13000;

    public int Devices { get; set; } = 1;

    public string Name { get; set; } = "NVIDIA H100 80GB HBM3";

    public (int Major, int Minor) Capability { get; set; } = (9, 0);

    public int ComputeMode { get; set; }

    public long TotalBytes { get; set; } = 80L << 30;

    /// <summary>What other processes hold.</summary>
    public long HeldElsewhere { get; set; }

    /// <summary>Whether the driver knows where a kernel's parameters lie.</summary>
    public bool KnowsParameters { get; set; } = true;

    public int MaximumThreads { get; set; } = 1024;

    public int SharedBytesPerBlock { get; set; } = 232448;

    /// <summary>Gives the failure of a call by its name; Success lets it work.</summary>
    public Func<string, CudaResult> Fail { get; set; } = _ => CudaResult.Success;

    /// <summary>What the kernels do, by name; one that is not here does nothing.</summary>
    public Dictionary<string, FakeKernel> Kernels { get; } = [];

    /// <summary>Every call since it was last cleared.</summary>
    public List<string> Calls { get; } = [];

    public List<LaunchRequest> Launches { get; } = [];

    public int LiveContexts { get; private set; }

    public int LiveModules => _modules.Count;

    public int LiveBlocks => _blocks.Count;

    public long LiveBytes => _blocks.Values.Sum();

    public CudaResult Initialize() => Call("cuInit");

    public CudaResult DriverVersion(out int version)
    {
        version = Version;
        return Call("cuDriverGetVersion");
    }

    public string ErrorName(CudaResult result) => result switch
    {
        CudaResult.OutOfMemory => "CUDA_ERROR_OUT_OF_MEMORY",
        CudaResult.NoDevice => "CUDA_ERROR_NO_DEVICE",
        CudaResult.IllegalAddress => "CUDA_ERROR_ILLEGAL_ADDRESS",
        CudaResult.InvalidValue => "CUDA_ERROR_INVALID_VALUE",
        _ => $"CUDA_ERROR_{(int)result}",
    };

    public string ErrorText(CudaResult result) => result == CudaResult.IllegalAddress ? "an illegal memory access was encountered" : "as the fake says";

    public CudaResult DeviceCount(out int count)
    {
        count = Devices;
        return Call("cuDeviceGetCount");
    }

    public CudaResult Device(int ordinal, out int device)
    {
        device = 100 + ordinal;
        return Call("cuDeviceGet");
    }

    public CudaResult DeviceName(int device, out string name)
    {
        name = Name;
        return Call("cuDeviceGetName");
    }

    public CudaResult DeviceTotalBytes(int device, out long bytes)
    {
        bytes = TotalBytes;
        return Call("cuDeviceTotalMem");
    }

    public CudaResult Attribute(int device, DeviceAttribute attribute, out int value)
    {
        value = attribute switch
        {
            DeviceAttribute.CapabilityMajor => Capability.Major,
            DeviceAttribute.CapabilityMinor => Capability.Minor,
            DeviceAttribute.Processors => 132,
            DeviceAttribute.SharedBytesPerBlock => SharedBytesPerBlock,
            _ => ComputeMode,
        };
        return Call("cuDeviceGetAttribute");
    }

    public CudaResult RetainContext(int device, out nint context)
    {
        context = 7;
        var result = Call("cuDevicePrimaryCtxRetain");
        LiveContexts += result == CudaResult.Success ? 1 : 0;
        return result;
    }

    public CudaResult ReleaseContext(int device)
    {
        LiveContexts--;
        return Call("cuDevicePrimaryCtxRelease");
    }

    public CudaResult SetCurrent(nint context)
    {
        _current[Environment.CurrentManagedThreadId] = LiveContexts > 0 ? context : 0;
        return LiveContexts > 0 ? Call("cuCtxSetCurrent") : NoContext;
    }

    private CudaResult Call(string name)
    {
        lock (_gate)
            Calls.Add(name);
        return Fail(name);
    }

    private CudaResult InContext(string name)
    {
        var result = Call(name);
        return _current.GetValueOrDefault(Environment.CurrentManagedThreadId) == 0 || LiveContexts == 0 ? NoContext : result;
    }
}
