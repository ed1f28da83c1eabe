using System.Runtime.InteropServices;
using System.Text;

namespace ModGen.Cuda;

/// <summary>The CUDA driver of this machine.</summary>
internal sealed unsafe class NativeDriver : IDriver
{
    // Flags and enumerators of cuda.h.
    private const uint NonBlockingStream = 1, NoTiming = 2, ExternalEvent = 1, PortablePinned = 1;
    private const int ThreadLocalCapture = 1, PromoteTo128Bytes = 2;

    public CudaResult Initialize() => DriverCalls.Init(0);

    public CudaResult DriverVersion(out int version) => DriverCalls.DriverGetVersion(out version);

    public string ErrorName(CudaResult result) =>
        DriverCalls.GetErrorName(result, out var text) == CudaResult.Success ? Marshal.PtrToStringUTF8(text) ?? "" : $"CUDA error {(int)result}";

    public string ErrorText(CudaResult result) =>
        DriverCalls.GetErrorString(result, out var text) == CudaResult.Success ? Marshal.PtrToStringUTF8(text) ?? "" : "";

    public CudaResult DeviceCount(out int count) => DriverCalls.DeviceGetCount(out count);

    public CudaResult Device(int ordinal, out int device) => DriverCalls.DeviceGet(out device, ordinal);

    public CudaResult DeviceName(int device, out string name)
    {
        const int Length = 256;
        var text = stackalloc byte[Length];
        var result = DriverCalls.DeviceGetName(text, Length, device);
        name = result == CudaResult.Success ? Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text)) : "";
        return result;
    }

    public CudaResult DeviceTotalBytes(int device, out long bytes)
    {
        var result = DriverCalls.DeviceTotalMem(out var size, device);
        bytes = (long)size;
        return result;
    }

    public CudaResult Attribute(int device, DeviceAttribute attribute, out int value) =>
        DriverCalls.DeviceGetAttribute(out value, attribute, device);

    public CudaResult RetainContext(int device, out nint context) => DriverCalls.PrimaryContextRetain(out context, device);

    public CudaResult ReleaseContext(int device) => DriverCalls.PrimaryContextRelease(device);

    public CudaResult SetCurrent(nint context) => DriverCalls.ContextSetCurrent(context);

    public CudaResult MemoryInfo(out long free, out long total)
    {
        var result = DriverCalls.MemGetInfo(out var f, out var t);
        (free, total) = ((long)f, (long)t);
        return result;
    }

    public CudaResult Allocate(long bytes, out ulong address) => DriverCalls.MemAlloc(out address, (nuint)bytes);

    public CudaResult Free(ulong address) => DriverCalls.MemFree(address);

    public CudaResult AllocatePinned(long bytes, out nint address) => DriverCalls.MemHostAlloc(out address, (nuint)bytes, PortablePinned);

    public CudaResult FreePinned(nint address) => DriverCalls.MemFreeHost(address);

    public CudaResult Upload(ulong to, void* from, long bytes, nint stream) => DriverCalls.MemcpyToDevice(to, from, (nuint)bytes, stream);

    public CudaResult Download(void* to, ulong from, long bytes, nint stream) => DriverCalls.MemcpyToHost(to, from, (nuint)bytes, stream);

    public CudaResult Copy(ulong to, ulong from, long bytes, nint stream) => DriverCalls.Memcpy(to, from, (nuint)bytes, stream);

    public CudaResult Fill(ulong to, byte value, long bytes, nint stream) => DriverCalls.Memset(to, value, (nuint)bytes, stream);

    public CudaResult CreateStream(out nint stream) => DriverCalls.StreamCreate(out stream, NonBlockingStream);

    public CudaResult DestroyStream(nint stream) => DriverCalls.StreamDestroy(stream);

    public CudaResult SynchronizeStream(nint stream) => DriverCalls.StreamSynchronize(stream);

    public CudaResult WaitForEvent(nint stream, nint ev) => DriverCalls.StreamWaitEvent(stream, ev, 0);

    public CudaResult BeginCapture(nint stream) => DriverCalls.StreamBeginCapture(stream, ThreadLocalCapture);

    public CudaResult EndCapture(nint stream, out nint graph) => DriverCalls.StreamEndCapture(stream, out graph);

    public CudaResult CreateEvent(bool timed, out nint ev) => DriverCalls.EventCreate(out ev, timed ? 0 : NoTiming);

    public CudaResult DestroyEvent(nint ev) => DriverCalls.EventDestroy(ev);

    public CudaResult RecordEvent(nint ev, nint stream, bool node) => DriverCalls.EventRecord(ev, stream, node ? ExternalEvent : 0);

    public CudaResult QueryEvent(nint ev) => DriverCalls.EventQuery(ev);

    public CudaResult SynchronizeEvent(nint ev) => DriverCalls.EventSynchronize(ev);

    public CudaResult ElapsedMilliseconds(nint start, nint end, out float milliseconds) =>
        DriverCalls.EventElapsedTime(out milliseconds, start, end);

    public CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module)
    {
        fixed (byte* p = image)
            return DriverCalls.ModuleLoadData(out module, p);
    }

    public CudaResult UnloadModule(nint module) => DriverCalls.ModuleUnload(module);

    public CudaResult ModuleFunction(nint module, string name, out nint function) => DriverCalls.ModuleGetFunction(out function, module, name);

    public CudaResult GetAttribute(nint function, FunctionAttribute attribute, out int value) =>
        DriverCalls.FunctionGetAttribute(out value, attribute, function);

    public CudaResult SetAttribute(nint function, FunctionAttribute attribute, int value) =>
        DriverCalls.FunctionSetAttribute(function, attribute, value);

    public CudaResult Parameter(nint function, int index, out long offset, out long bytes)
    {
        (offset, bytes) = (0, 0);
        if (!NativeLibraries.DriverExports("cuFuncGetParamInfo"))
            return CudaResult.NotSupported;
        var result = DriverCalls.FunctionGetParameter(function, (nuint)index, out var at, out var size);
        (offset, bytes) = ((long)at, (long)size);
        return result;
    }

    public CudaResult Launch(in LaunchRequest request, void** parameters)
    {
        var attributes = stackalloc DriverCalls.LaunchAttribute[2];
        var count = 0u;
        if (request.Dependent)
            attributes[count++] = new DriverCalls.LaunchAttribute { Id = DriverCalls.LaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
        if (request.Cluster > 1)
            attributes[count++] = new DriverCalls.LaunchAttribute { Id = DriverCalls.LaunchAttribute.ClusterDimension, X = (uint)request.Cluster, Y = 1, Z = 1 };
        var config = new DriverCalls.LaunchConfig
        {
            GridX = (uint)request.Blocks,
            GridY = 1,
            GridZ = 1,
            BlockX = (uint)request.Threads,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)request.SharedBytes,
            Stream = request.Stream,
            Attributes = attributes,
            AttributeCount = count,
        };
        return DriverCalls.LaunchKernel(&config, request.Function, parameters, null);
    }

    public CudaResult InstantiateGraph(nint graph, out nint executable) => DriverCalls.GraphInstantiate(out executable, graph, 0);

    public CudaResult UploadGraph(nint executable, nint stream) => DriverCalls.GraphUpload(executable, stream);

    public CudaResult LaunchGraph(nint executable, nint stream) => DriverCalls.GraphLaunch(executable, stream);

    public CudaResult DestroyExecutable(nint executable) => DriverCalls.GraphExecDestroy(executable);

    public CudaResult DestroyGraph(nint graph) => DriverCalls.GraphDestroy(graph);

    public CudaResult GraphNodes(nint graph, out long count)
    {
        nuint nodes = 0;
        var result = DriverCalls.GraphGetNodes(graph, null, &nodes);
        count = (long)nodes;
        return result;
    }

    public CudaResult EncodeTensorMap(void* map, in TensorMapRequest request)
    {
        var steps = stackalloc uint[5] { 1, 1, 1, 1, 1 };
        fixed (TensorMapRequest* r = &request)
        {
            return DriverCalls.TensorMapEncodeTiled(
                map, r->ElementType, (uint)r->Rank, r->Address, r->Extents, r->StrideBytes, r->Box, steps, 0, r->Swizzle, PromoteTo128Bytes, 0);
        }
    }
}
