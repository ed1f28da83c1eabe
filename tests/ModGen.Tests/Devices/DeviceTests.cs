using ModGen.Cuda;

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

    [Fact]
    public void A_GPU_that_is_not_there_is_an_error_with_the_reason()
    {
        Assert.Contains(CudaContext.WhyUnavailable(63)!, Assert.Throws<CudaException>(() => Device.Cuda(63)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Cuda(-1));
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
