namespace ModGen.Cuda;

/// <summary>One launch as the driver sees it; one-dimensional grids and blocks.</summary>
/// <param name="Function">The loaded kernel.</param>
/// <param name="Blocks">Blocks of the grid.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="Cluster">Blocks of a cluster; 1 for none.</param>
/// <param name="Dependent">Whether it may start before the kernel in front of it has finished.</param>
/// <param name="Stream">The stream.</param>
internal readonly record struct LaunchRequest(nint Function, int Blocks, int Threads, int SharedBytes, int Cluster, bool Dependent, nint Stream);

/// <summary>A tensor map as the driver encodes it; extents and boxes are innermost first.</summary>
internal unsafe struct TensorMapRequest
{
    public int ElementType;
    public int Rank;
    public ulong Address;
    public fixed ulong Extents[5];
    public fixed ulong StrideBytes[5];
    public fixed uint Box[5];
    public int Swizzle;
}

/// <summary>
/// The calls of the CUDA driver that ModGen makes, one to one; the seam at which tests put a device that fails on demand.
/// Nothing here throws: every call gives its status.
/// </summary>
internal unsafe interface IDriver
{
    CudaResult Initialize();
    CudaResult DriverVersion(out int version);
    string ErrorName(CudaResult result);
    string ErrorText(CudaResult result);

    CudaResult DeviceCount(out int count);
    CudaResult Device(int ordinal, out int device);
    CudaResult DeviceName(int device, out string name);
    CudaResult DeviceTotalBytes(int device, out long bytes);
    CudaResult Attribute(int device, DeviceAttribute attribute, out int value);

    CudaResult RetainContext(int device, out nint context);
    CudaResult ReleaseContext(int device);
    CudaResult SetCurrent(nint context);

    CudaResult MemoryInfo(out long free, out long total);
    CudaResult Allocate(long bytes, out ulong address);
    CudaResult Free(ulong address);
    CudaResult AllocatePinned(long bytes, out nint address);
    CudaResult FreePinned(nint address);
    CudaResult Upload(ulong to, void* from, long bytes, nint stream);
    CudaResult Download(void* to, ulong from, long bytes, nint stream);

    /// <summary>Between any two places that the device can address, pinned memory included.</summary>
    CudaResult Copy(ulong to, ulong from, long bytes, nint stream);

    CudaResult Fill(ulong to, byte value, long bytes, nint stream);

    CudaResult CreateStream(out nint stream);
    CudaResult DestroyStream(nint stream);
    CudaResult SynchronizeStream(nint stream);
    CudaResult WaitForEvent(nint stream, nint ev);
    CudaResult BeginCapture(nint stream);
    CudaResult EndCapture(nint stream, out nint graph);

    CudaResult CreateEvent(bool timed, out nint ev);
    CudaResult DestroyEvent(nint ev);

    /// <summary>Records the event; with <paramref name="node"/>, as a node of the graph being captured.</summary>
    CudaResult RecordEvent(nint ev, nint stream, bool node);

    CudaResult QueryEvent(nint ev);
    CudaResult SynchronizeEvent(nint ev);
    CudaResult ElapsedMilliseconds(nint start, nint end, out float milliseconds);

    CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module);
    CudaResult UnloadModule(nint module);
    CudaResult ModuleFunction(nint module, string name, out nint function);
    CudaResult GetAttribute(nint function, FunctionAttribute attribute, out int value);
    CudaResult SetAttribute(nint function, FunctionAttribute attribute, int value);

    /// <summary>Where a parameter of a kernel lies; NotSupported from a driver that cannot say (before 12.4).</summary>
    CudaResult Parameter(nint function, int index, out long offset, out long bytes);

    CudaResult Launch(in LaunchRequest request, void** parameters);

    CudaResult InstantiateGraph(nint graph, out nint executable);
    CudaResult UploadGraph(nint executable, nint stream);
    CudaResult LaunchGraph(nint executable, nint stream);
    CudaResult DestroyExecutable(nint executable);
    CudaResult DestroyGraph(nint graph);
    CudaResult GraphNodes(nint graph, out long count);

    CudaResult EncodeTensorMap(void* map, in TensorMapRequest request);
}
