namespace ModGen.Cuda;

/// <summary>Launch lists captured into one graph, which the device runs at one call.</summary>
public sealed class CudaGraph : CudaResource
{
    internal CudaGraph(CudaContext context, nint executable, long nodes)
        : base(context, executable) => Nodes = nodes;

    /// <summary>Kernels, copies and clearings in it.</summary>
    public long Nodes { get; }

    private protected override void Free(IDriver driver, nint handle) => _ = driver.DestroyExecutable(handle);
}
