using ModGen.Cuda;

namespace ModGen.Programs;

/// <summary>A pass that has become a CUDA graph, and the launches it was made of.</summary>
internal sealed class CapturedPass : IDisposable
{
    private readonly CudaGraph _graph;

    /// <summary>Compiles and loads the kernels of the launches, and captures them.</summary>
    public CapturedPass(CudaDevice device, CudaStream stream, LaunchList list)
    {
        device.Context.Load([list], device.KernelsLoading);
        List = list;
        _graph = stream.Capture(list);
    }

    /// <summary>The launches one by one, for tests and measurements.</summary>
    public LaunchList List { get; }

    public void Run(CudaStream stream) => stream.Launch(_graph);

    public void Dispose() => _graph.Dispose();
}
