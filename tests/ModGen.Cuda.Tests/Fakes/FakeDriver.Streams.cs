using System.Runtime.InteropServices;

namespace ModGen.Cuda.Tests.Fakes;

internal sealed unsafe partial class FakeDriver
{
    /// <summary>Whether any stream is being captured.</summary>
    public bool Capturing => _captures.Count > 0;

    /// <summary>Graphs and executables that have not been destroyed.</summary>
    public int LiveGraphs => _graphs.Count;

    public CudaResult Upload(ulong to, void* from, long bytes, nint stream) => Do("cuMemcpyHtoDAsync", stream, () => Move((void*)to, from, bytes));

    public CudaResult Download(void* to, ulong from, long bytes, nint stream) => Do("cuMemcpyDtoHAsync", stream, () => Move(to, (void*)from, bytes));

    public CudaResult Copy(ulong to, ulong from, long bytes, nint stream) => Do("cuMemcpyAsync", stream, () => Move((void*)to, (void*)from, bytes));

    public CudaResult Fill(ulong to, byte value, long bytes, nint stream) => Do("cuMemsetD8Async", stream, () => new Span<byte>((void*)to, (int)bytes).Fill(value));

    public CudaResult CreateStream(out nint stream)
    {
        stream = _handles++;
        return InContext("cuStreamCreate");
    }

    public CudaResult DestroyStream(nint stream) => InContext("cuStreamDestroy");

    /// <summary>As the driver does: to wait for a stream that is being captured fails.</summary>
    public CudaResult SynchronizeStream(nint stream)
    {
        var result = InContext("cuStreamSynchronize");
        return result == CudaResult.Success && _captures.ContainsKey(stream) ? CudaResult.StreamCaptureUnsupported : result;
    }

    public CudaResult WaitForEvent(nint stream, nint ev) => InContext("cuStreamWaitEvent");

    public CudaResult BeginCapture(nint stream)
    {
        var result = InContext("cuStreamBeginCapture");
        if (result == CudaResult.Success)
            _captures.Add(stream, []);
        return result;
    }

    public CudaResult EndCapture(nint stream, out nint graph)
    {
        _captures.Remove(stream, out var captured);
        _graphs.Add(graph = _handles++, captured!);
        return InContext("cuStreamEndCapture");
    }

    public CudaResult CreateEvent(bool timed, out nint ev)
    {
        ev = _handles++;
        return InContext("cuEventCreate");
    }

    public CudaResult DestroyEvent(nint ev) => InContext("cuEventDestroy");

    public CudaResult RecordEvent(nint ev, nint stream, bool node) => InContext(node ? "cuEventRecord(node)" : "cuEventRecord");

    public CudaResult QueryEvent(nint ev) => InContext("cuEventQuery");

    public CudaResult SynchronizeEvent(nint ev) => InContext("cuEventSynchronize");

    /// <summary>A millisecond for every event that was made between the two.</summary>
    public CudaResult ElapsedMilliseconds(nint start, nint end, out float milliseconds)
    {
        milliseconds = end - start;
        return InContext("cuEventElapsedTime");
    }

    public CudaResult Launch(in LaunchRequest request, void** parameters)
    {
        (string Name, int[] Sizes) function;
        lock (_gate)
            function = _functions[request.Function];
        Launches.Add(request);
        // As the driver does: the parameters are copied now, whenever the kernel runs.
        var values = function.Sizes.Select((size, i) => new Span<byte>(parameters[i], size).ToArray()).ToArray();
        return Do("cuLaunchKernelEx", request.Stream, () => Run(function.Name, values));
    }

    public CudaResult InstantiateGraph(nint graph, out nint executable)
    {
        executable = 0;
        var result = InContext("cuGraphInstantiateWithFlags");
        if (result == CudaResult.Success)
            _graphs.Add(executable = _handles++, _graphs[graph]);
        return result;
    }

    public CudaResult UploadGraph(nint executable, nint stream) => InContext("cuGraphUpload");

    public CudaResult LaunchGraph(nint executable, nint stream)
    {
        var result = InContext("cuGraphLaunch");
        if (result == CudaResult.Success)
            _graphs[executable].ForEach(work => work());
        return result;
    }

    public CudaResult DestroyExecutable(nint executable) => DestroyGraph(executable);

    public CudaResult DestroyGraph(nint graph)
    {
        _graphs.Remove(graph);
        return InContext("cuGraphDestroy");
    }

    public CudaResult GraphNodes(nint graph, out long count)
    {
        count = _graphs[graph].Count;
        return InContext("cuGraphGetNodes");
    }

    private static void Move(void* to, void* from, long bytes) => Buffer.MemoryCopy(from, to, bytes, bytes);

    private void Run(string name, byte[][] values)
    {
        if (!Kernels.TryGetValue(name, out var kernel))
            return;
        var pointers = stackalloc void*[values.Length];
        var pins = values.Select(value => GCHandle.Alloc(value, GCHandleType.Pinned)).ToArray();
        for (var i = 0; i < pins.Length; i++)
            pointers[i] = (void*)pins[i].AddrOfPinnedObject();
        kernel(pointers);
        foreach (var pin in pins)
            pin.Free();
    }

    private CudaResult Do(string name, nint stream, Action work)
    {
        var result = InContext(name);
        if (result != CudaResult.Success)
            return result;
        if (_captures.TryGetValue(stream, out var capture))
            capture.Add(work);
        else
            work();
        return result;
    }
}
