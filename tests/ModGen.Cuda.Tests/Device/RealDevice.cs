namespace ModGen.Cuda.Tests.Device;

/// <summary>The first CUDA device of this machine, opened once for all tests that need one; they are skipped where there is none.</summary>
public sealed class RealDevice : IDisposable
{
    private static readonly string? WhyNot = CudaContext.WhyUnavailable(0);
    private readonly Lazy<CudaContext> _context = new(() => CudaContext.Open(0, float32: false));

    internal CudaContext Context
    {
        get
        {
            Need();
            return _context.Value;
        }
    }

    public void Dispose()
    {
        if (_context.IsValueCreated)
            _context.Value.Dispose();
    }

    internal static void Need() => Assert.SkipWhen(WhyNot is not null, WhyNot ?? "");

    /// <summary>The device, when it has Hopper's own instructions.</summary>
    internal CudaContext Hopper()
    {
        Assert.SkipWhen(Context.ComputeCapability != new Version(9, 0), $"{Context.Name} is no Hopper");
        return Context;
    }
}
