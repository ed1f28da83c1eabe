using ModGen.Cuda;

namespace ModGen.Tests.Fakes;

/// <summary>
/// A driver that notes the calls made to another, fake or real, by their names in CUDA. Left out is what makes the context
/// current, which every call begins with and which costs nothing.
/// </summary>
internal sealed unsafe class WatchedDriver(IDriver inner, List<string> calls) : IDriver
{
    public CudaResult Initialize() => Noted("cuInit").Initialize();

    public CudaResult DriverVersion(out int version) => Noted("cuDriverGetVersion").DriverVersion(out version);

    public string ErrorName(CudaResult result) => inner.ErrorName(result);

    public string ErrorText(CudaResult result) => inner.ErrorText(result);

    public CudaResult DeviceCount(out int count) => Noted("cuDeviceGetCount").DeviceCount(out count);

    public CudaResult Device(int ordinal, out int device) => Noted("cuDeviceGet").Device(ordinal, out device);

    public CudaResult DeviceName(int device, out string name) => Noted("cuDeviceGetName").DeviceName(device, out name);

    public CudaResult DeviceTotalBytes(int device, out long bytes) => Noted("cuDeviceTotalMem").DeviceTotalBytes(device, out bytes);

    public CudaResult Attribute(int device, DeviceAttribute attribute, out int value) => Noted("cuDeviceGetAttribute").Attribute(device, attribute, out value);

    public CudaResult RetainContext(int device, out nint context) => Noted("cuDevicePrimaryCtxRetain").RetainContext(device, out context);

    public CudaResult ReleaseContext(int device) => Noted("cuDevicePrimaryCtxRelease").ReleaseContext(device);

    public CudaResult SetCurrent(nint context) => inner.SetCurrent(context);

    public CudaResult MemoryInfo(out long free, out long total) => Noted("cuMemGetInfo").MemoryInfo(out free, out total);

    public CudaResult Allocate(long bytes, out ulong address) => Noted("cuMemAlloc").Allocate(bytes, out address);

    public CudaResult Free(ulong address) => Noted("cuMemFree").Free(address);

    public CudaResult AllocatePinned(long bytes, out nint address) => Noted("cuMemHostAlloc").AllocatePinned(bytes, out address);

    public CudaResult FreePinned(nint address) => Noted("cuMemFreeHost").FreePinned(address);

    public CudaResult Upload(ulong to, void* from, long bytes, nint stream) => Noted("cuMemcpyHtoDAsync").Upload(to, from, bytes, stream);

    public CudaResult Download(void* to, ulong from, long bytes, nint stream) => Noted("cuMemcpyDtoHAsync").Download(to, from, bytes, stream);

    public CudaResult Copy(ulong to, ulong from, long bytes, nint stream) => Noted("cuMemcpyAsync").Copy(to, from, bytes, stream);

    public CudaResult Fill(ulong to, byte value, long bytes, nint stream) => Noted("cuMemsetD8Async").Fill(to, value, bytes, stream);

    public CudaResult CreateStream(out nint stream) => Noted("cuStreamCreate").CreateStream(out stream);

    public CudaResult DestroyStream(nint stream) => Noted("cuStreamDestroy").DestroyStream(stream);

    public CudaResult SynchronizeStream(nint stream) => Noted("cuStreamSynchronize").SynchronizeStream(stream);

    public CudaResult WaitForEvent(nint stream, nint ev) => Noted("cuStreamWaitEvent").WaitForEvent(stream, ev);

    public CudaResult BeginCapture(nint stream) => Noted("cuStreamBeginCapture").BeginCapture(stream);

    public CudaResult EndCapture(nint stream, out nint graph) => Noted("cuStreamEndCapture").EndCapture(stream, out graph);

    public CudaResult CreateEvent(bool timed, out nint ev) => Noted("cuEventCreate").CreateEvent(timed, out ev);

    public CudaResult DestroyEvent(nint ev) => Noted("cuEventDestroy").DestroyEvent(ev);

    public CudaResult RecordEvent(nint ev, nint stream, bool node) => Noted("cuEventRecord").RecordEvent(ev, stream, node);

    public CudaResult QueryEvent(nint ev) => Noted("cuEventQuery").QueryEvent(ev);

    public CudaResult SynchronizeEvent(nint ev) => Noted("cuEventSynchronize").SynchronizeEvent(ev);

    public CudaResult ElapsedMilliseconds(nint start, nint end, out float milliseconds) => Noted("cuEventElapsedTime").ElapsedMilliseconds(start, end, out milliseconds);

    public CudaResult LoadModule(ReadOnlySpan<byte> image, out nint module) => Noted("cuModuleLoadData").LoadModule(image, out module);

    public CudaResult UnloadModule(nint module) => Noted("cuModuleUnload").UnloadModule(module);

    public CudaResult ModuleFunction(nint module, string name, out nint function) => Noted("cuModuleGetFunction").ModuleFunction(module, name, out function);

    public CudaResult GetAttribute(nint function, FunctionAttribute attribute, out int value) => Noted("cuFuncGetAttribute").GetAttribute(function, attribute, out value);

    public CudaResult SetAttribute(nint function, FunctionAttribute attribute, int value) => Noted("cuFuncSetAttribute").SetAttribute(function, attribute, value);

    public CudaResult Parameter(nint function, int index, out long offset, out long bytes) => Noted("cuFuncGetParamInfo").Parameter(function, index, out offset, out bytes);

    public CudaResult Launch(in LaunchRequest request, void** parameters) => Noted("cuLaunchKernelEx").Launch(in request, parameters);

    public CudaResult InstantiateGraph(nint graph, out nint executable) => Noted("cuGraphInstantiateWithFlags").InstantiateGraph(graph, out executable);

    public CudaResult UploadGraph(nint executable, nint stream) => Noted("cuGraphUpload").UploadGraph(executable, stream);

    public CudaResult LaunchGraph(nint executable, nint stream) => Noted("cuGraphLaunch").LaunchGraph(executable, stream);

    public CudaResult DestroyExecutable(nint executable) => Noted("cuGraphExecDestroy").DestroyExecutable(executable);

    public CudaResult DestroyGraph(nint graph) => Noted("cuGraphDestroy").DestroyGraph(graph);

    public CudaResult GraphNodes(nint graph, out long count) => Noted("cuGraphGetNodes").GraphNodes(graph, out count);

    public CudaResult EncodeTensorMap(void* map, in TensorMapRequest request) => Noted("cuTensorMapEncodeTiled").EncodeTensorMap(map, in request);

    private IDriver Noted(string call)
    {
        lock (calls)
            calls.Add(call);
        return inner;
    }
}
