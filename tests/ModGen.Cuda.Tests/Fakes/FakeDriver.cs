using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

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
    private List<Action>? _capture;
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

    public CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module)
    {
        module = 0;
        var result = InContext("cuModuleLoadData");
        if (result != CudaResult.Success)
            return result;
        // "cubin", architecture, name, sizes
        var words = Encoding.UTF8.GetString(image).Split(' ');
        if (words is not ["cubin", _, _, _])
            return CudaResult.InvalidImage;
        if (words[1] != KernelBuilder.ArchitectureOf(new Version(Capability.Major, Capability.Minor)))
            return CudaResult.NoBinaryForGpu;
        lock (_gate)
            _modules.Add(module = _handles++, words);
        return result;
    }

    public CudaResult UnloadModule(nint module)
    {
        lock (_gate)
            _modules.Remove(module);
        return InContext("cuModuleUnload");
    }

    public CudaResult ModuleFunction(nint module, string name, out nint function)
    {
        function = 0;
        lock (_gate)
        {
            if (_modules[module][2] != name)
                return CudaResult.NotFound;
            var sizes = _modules[module][3].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToArray();
            _functions.Add(function = _handles++, (name, sizes));
        }

        return InContext("cuModuleGetFunction");
    }

    public CudaResult GetAttribute(nint function, FunctionAttribute attribute, out int value)
    {
        value = attribute switch
        {
            FunctionAttribute.MaximumThreads => MaximumThreads,
            FunctionAttribute.Registers => 40,
            FunctionAttribute.StaticSharedBytes => 1024,
            _ => 0,
        };
        return InContext("cuFuncGetAttribute");
    }

    public CudaResult SetAttribute(nint function, FunctionAttribute attribute, int value) => InContext($"cuFuncSetAttribute({value})");

    public CudaResult Parameter(nint function, int index, out long offset, out long bytes)
    {
        (offset, bytes) = (0, 0);
        if (!KnowsParameters)
            return CudaResult.NotSupported;
        int[] sizes;
        lock (_gate)
            sizes = _functions[function].Sizes;
        if (index >= sizes.Length)
            return CudaResult.InvalidValue;
        for (var i = 0; i <= index; i++)
        {
            var alignment = sizes[i] == 128 ? 64 : Math.Min(sizes[i], 8);
            offset = (offset + bytes + alignment - 1) / alignment * alignment;
            bytes = sizes[i];
        }

        return InContext("cuFuncGetParamInfo");
    }

    public CudaResult EncodeTensorMap(void* map, in TensorMapRequest request)
    {
        if ((ulong)map % 64 != 0)
            return CudaResult.InvalidValue;
        new Span<byte>(map, 128).Fill((byte)request.Rank);
        return InContext("cuTensorMapEncodeTiled");
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
