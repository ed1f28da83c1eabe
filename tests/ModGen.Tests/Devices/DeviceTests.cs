using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;
using ModGen.Tests.RealModels;

namespace ModGen.Tests.Devices;

public sealed class DeviceTests
{
    [Fact]
    public void The_default_is_a_GPU_that_can_be_used_or_the_CPU_and_says_why()
    {
        using var device = Device.Default;
        if (CudaContext.WhyUnavailable(0) is { } why)
        {
            Assert.IsType<CpuDevice>(device);
            Assert.Equal($"CUDA cannot be used: {why.TrimEnd('.')}", device.Reason);
        }
        else
        {
            Assert.Equal(CudaPrecision.BFloat16, Assert.IsType<CudaDevice>(device).Precision);
            Assert.Equal("driver, NVRTC and GPU answer", device.Reason);
        }
    }

    public static TheoryData<string, string> Troubles => new()
    {
        { "no driver", "no NVIDIA driver is installed (libcuda.so.1, on Windows nvcuda.dll, cannot be loaded)" },
        { "old driver", "the NVIDIA driver runs CUDA 11.8 and ModGen needs 12.0 or newer; update the driver" },
        { "no compiler", "NVRTC is not installed" },
        { "old device", "NVIDIA H100 80GB HBM3 has compute capability 7.5; ModGen needs 8.0 (Ampere) or newer" },
        { "no device", "the NVIDIA driver sees no device" },
        { "full device", "NVIDIA H100 80GB HBM3 cannot be opened: cuDevicePrimaryCtxRetain failed with CUDA_ERROR_OUT_OF_MEMORY (2): as the fake says; another process may fill or own the device" },
    };

    [Theory]
    [MemberData(nameof(Troubles))]
    public void A_GPU_that_cannot_be_used_leaves_the_CPU_and_the_reason(string trouble, string reason)
    {
        using var machine = new FakeMachine();
        var platform = new CudaPlatform(
            () => trouble == "no driver" ? null : machine.Driver,
            _ => trouble == "no compiler" ? (null, "NVRTC is not installed") : (machine.Compiler, null),
            () => machine.CacheFolder);
        machine.Driver.Version = trouble == "old driver" ? 11080 : machine.Driver.Version;
        machine.Driver.Capability = trouble == "old device" ? (7, 5) : machine.Driver.Capability;
        machine.Driver.Devices = trouble == "no device" ? 0 : 1;
        machine.Driver.Fail = call => trouble == "full device" && call == "cuDevicePrimaryCtxRetain" ? CudaResult.OutOfMemory : CudaResult.Success;
        using var device = Device.Best(platform.WhyUnavailable(0), () => platform.Open(0, float32: false), threads: 1);
        Assert.IsType<CpuDevice>(device);
        Assert.Equal($"CUDA cannot be used: {reason}", device.Reason);
        Assert.Contains(reason, Assert.Throws<CudaException>(() => platform.Open(0, float32: false)).Message, StringComparison.Ordinal);
        Assert.Equal(0, machine.Driver.LiveContexts);
    }

    [Fact]
    public void A_GPU_that_is_not_there_is_an_error_with_the_reason()
    {
        Assert.Contains(CudaContext.WhyUnavailable(63)!, Assert.Throws<CudaException>(() => Device.Cuda(63)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Cuda(-1));
        Assert.Contains("precision is 9", Assert.Throws<ArgumentOutOfRangeException>(() => Device.Cuda(0, (CudaPrecision)9)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Best((CudaPrecision)9));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_disposed_CPU_computes_nothing(int threads)
    {
        var device = Device.Cpu(threads);
        using var model = Dense.Create(device);
        using var sampler = model.CreateSampler();
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => sampler.Generate("a"));
    }

    [Fact]
    public void A_device_that_was_asked_for_says_so()
    {
        using var device = Device.Cpu(threads: 1);
        Assert.Equal("asked for", device.Reason);
    }

    [Theory]
    [InlineData(0f, 0x0000)]
    [InlineData(-0f, 0x8000)]
    [InlineData(1f + 1f / 256, 0x3F80)]
    [InlineData(1f + 3f / 256, 0x3F82)]
    [InlineData(1f + 1.01f / 256, 0x3F81)]
    [InlineData(float.MaxValue, 0x7F80)]
    [InlineData(float.NegativeInfinity, 0xFF80)]
    [InlineData(float.Epsilon, 0x0000)]
    public void Operands_are_rounded_to_nearest_and_ties_to_even(float value, int bits) => Assert.Equal(bits, BFloat16.Round(value));

    [Fact]
    public void What_is_no_number_stays_none()
    {
        foreach (var bits in (uint[])[0x7F800001, 0x7FFFFFFF, 0xFFC00000, 0xFFFFFFFF])
            Assert.True(float.IsNaN(BFloat16.Widen(BFloat16.Round(BitConverter.UInt32BitsToSingle(bits)))));
    }
}
