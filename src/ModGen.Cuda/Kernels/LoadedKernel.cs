namespace ModGen.Cuda;

/// <summary>A kernel's module on a device and its entry point.</summary>
internal sealed class LoadedKernel : CudaResource
{
    public LoadedKernel(CudaContext context, nint module, nint function, KernelInfo info)
        : base(context, module)
    {
        Function = function;
        Info = info;
    }

    public nint Function { get; }

    public KernelInfo Info { get; }

    private protected override void Free(IDriver driver, nint handle) => _ = driver.UnloadModule(handle);
}
