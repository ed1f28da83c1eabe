using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public sealed class PlatformTests : IDisposable
{
    private readonly FakeMachine _machine = new();

    [Fact]
    public void A_good_device_can_be_used()
    {
        Assert.Equal(1, _machine.Platform.Count);
        Assert.Null(_machine.Platform.WhyUnavailable(0));
        using var context = _machine.Platform.Open(0, float32: true);
        Assert.Equal("NVIDIA H100 80GB HBM3", context.Name);
        Assert.Equal(new Version(9, 0), context.ComputeCapability);
        Assert.Equal((0, true, 132, 80L << 30), (context.Ordinal, context.Float32, context.Processors, context.TotalBytes));
        Assert.Equal("driver 13.0, NVRTC 13.0", context.Versions);
        Assert.Equal(_machine.CacheFolder, context.CacheFolder);
        Assert.Null(context.CacheProblem);
    }

    [Fact]
    public void No_driver_is_said()
    {
        var platform = new CudaPlatform(() => null, _ => (_machine.Compiler, null), () => null);
        Assert.Equal(0, platform.Count);
        Unusable(platform, 0, "no NVIDIA driver is installed");
    }

    [Fact]
    public void An_old_driver_is_said_with_what_it_has_and_what_is_needed()
    {
        _machine.Driver.Version = 11080;
        Assert.Equal(0, _machine.Platform.Count);
        Unusable(_machine.Platform, 0, "the NVIDIA driver runs CUDA 11.8 and ModGen needs 12.0");
        Assert.DoesNotContain("cuInit", _machine.Driver.Calls);
    }

    [Fact]
    public void A_driver_that_does_not_start_is_said_with_its_own_word()
    {
        _machine.Driver.Fail = call => call == "cuInit" ? CudaResult.NoDevice : CudaResult.Success;
        Assert.Equal(0, _machine.Platform.Count);
        Unusable(_machine.Platform, 0, "cuInit failed with CUDA_ERROR_NO_DEVICE (100)");
    }

    [Fact]
    public void A_driver_that_works_later_is_found_later()
    {
        _machine.Driver.Fail = call => call == "cuInit" ? CudaResult.NoDevice : CudaResult.Success;
        Assert.NotNull(_machine.Platform.WhyUnavailable(0));
        _machine.Driver.Fail = _ => CudaResult.Success;
        Assert.Null(_machine.Platform.WhyUnavailable(0));
    }

    [Theory]
    [InlineData(0, 0, "the NVIDIA driver sees no device")]
    [InlineData(2, 2, "there is no CUDA device 2; this machine has 2, numbered from 0")]
    public void A_device_that_is_not_there_is_said(int devices, int ordinal, string problem)
    {
        _machine.Driver.Devices = devices;
        Unusable(_machine.Platform, ordinal, problem);
    }

    [Fact]
    public void A_negative_device_is_a_mistake_of_the_caller() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => _machine.Platform.WhyUnavailable(-1));

    [Fact]
    public void An_old_device_is_said()
    {
        _machine.Driver.Capability = (7, 5);
        _machine.Driver.Name = "Tesla T4";
        Unusable(_machine.Platform, 0, "Tesla T4 has compute capability 7.5; ModGen needs 8.0");
    }

    [Fact]
    public void A_device_that_takes_no_programs_is_said()
    {
        _machine.Driver.ComputeMode = 2;
        Unusable(_machine.Platform, 0, "PROHIBITED");
    }

    [Fact]
    public void A_device_that_does_not_answer_is_said()
    {
        _machine.Driver.Fail = call => call == "cuDeviceGetName" ? CudaResult.InvalidValue : CudaResult.Success;
        Unusable(_machine.Platform, 0, "CUDA device 0 does not answer: CUDA_ERROR_INVALID_VALUE (1)");
    }

    [Fact]
    public void No_compiler_is_said()
    {
        var platform = new CudaPlatform(() => _machine.Driver, driver => (null, $"nothing for {driver}"), () => null);
        Assert.Equal(1, platform.Count);
        Unusable(platform, 0, "nothing for 13.0");
    }

    [Fact]
    public void A_compiler_that_does_not_know_the_device_is_said()
    {
        _machine.Driver.Capability = (12, 1);
        Unusable(_machine.Platform, 0, "NVRTC 13.0 does not know the architecture sm_121");
    }

    [Fact]
    public void A_context_that_cannot_be_had_is_an_error_with_call_and_name()
    {
        _machine.Driver.Fail = call => call == "cuDevicePrimaryCtxRetain" ? CudaResult.OutOfMemory : CudaResult.Success;
        var error = Assert.Throws<CudaException>(() => _machine.Open());
        Assert.Equal("cuDevicePrimaryCtxRetain", error.Call);
        Assert.Equal("CUDA_ERROR_OUT_OF_MEMORY", error.ResultName);
        Assert.Equal(2, error.Result);
    }

    [Theory]
    [InlineData(8, 0, "sm_80")]
    [InlineData(8, 9, "sm_89")]
    [InlineData(9, 0, "sm_90a")]
    [InlineData(10, 0, "sm_100")]
    [InlineData(12, 1, "sm_121")]
    public void Hoppers_own_instructions_are_asked_for_on_hopper_alone(int major, int minor, string architecture) =>
        Assert.Equal(architecture, KernelBuilder.ArchitectureOf(new Version(major, minor)));

    [Fact]
    public void Asking_this_machine_never_throws()
    {
        var count = CudaContext.Count;
        Assert.InRange(count, 0, 64);
        Assert.True(count > 0 || CudaContext.WhyUnavailable(0) is not null, "no device, and no reason why");
        Assert.NotNull(CudaContext.WhyUnavailable(count));
    }

    public void Dispose() => _machine.Dispose();

    private static void Unusable(CudaPlatform platform, int ordinal, string problem)
    {
        var why = platform.WhyUnavailable(ordinal);
        Assert.NotNull(why);
        Assert.Contains(problem, why, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', why);
        var error = Assert.Throws<CudaException>(() => platform.Open(ordinal, float32: false));
        Assert.Equal($"CUDA device {ordinal} cannot be used: {why}.", error.Message);
    }
}
