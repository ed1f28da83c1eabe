using ModGen.Cuda;

namespace ModGen.Oracle.Tests;

/// <summary>Where a test runs its models. The same bodies run on each; a test whose device is not there says so and is skipped.</summary>
internal sealed class TestDevice
{
    private readonly Lazy<Device> _device;
    private readonly Func<string?> _missing;

    private TestDevice(Func<Device> open, Func<string?> missing, Accuracy accuracy)
    {
        Accuracy = accuracy;
        _device = new(open);
        _missing = missing;
    }

    public static TestDevice Cpu { get; } = new(() => ModGen.Device.Cpu(threads: 2), () => null, Accuracy.Float32);

    /// <summary>A GPU that computes as the CPU does: the tolerances are the CPU's.</summary>
    public static TestDevice Cuda { get; } = new(() => ModGen.Device.Cuda(0, CudaPrecision.Float32), () => CudaContext.WhyUnavailable(0), Accuracy.Float32);

    /// <summary>A GPU as it is used: bfloat16 operands, tensor cores, and on Hopper its own kernels where sizes allow.</summary>
    public static TestDevice CudaBFloat16 { get; } = new(() => ModGen.Device.Cuda(0, CudaPrecision.BFloat16), () => CudaContext.WhyUnavailable(0), Accuracy.BFloat16);

    /// <summary>What its results are held to.</summary>
    public Accuracy Accuracy { get; }

    /// <summary>The device.</summary>
    public Device Device
    {
        get
        {
            if (_missing() is { } why)
                Assert.Skip(why);
            return _device.Value;
        }
    }
}
