using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

/// <summary>Kernels that do not compile, do not load, or are not launched as they are declared.</summary>
public sealed class RefusedKernelTests : IDisposable
{
    private readonly FakeMachine _machine = new();

    [Fact]
    public void A_fresh_cubin_that_does_not_load_is_an_error_with_kernel_and_call()
    {
        using var context = _machine.Open();
        _machine.Driver.Fail = call => call == "cuModuleLoadData" ? CudaResult.InvalidImage : CudaResult.Success;
        var error = Assert.Throws<CudaException>(() => context.Load([FakeMachine.ListOf("one")]));
        Assert.Equal(("cuModuleLoadData", "one"), (error.Call, error.Kernel));
        Assert.Equal(1, _machine.Compiler.Compilations);
    }

    [Fact]
    public void A_kernel_that_does_not_compile_is_shown_with_its_lines()
    {
        using var context = _machine.Open();
        var list = FakeMachine.ListOf("good");
        list.Add(new Kernel("bad", "prelude", 128, "// first\nextern \"C\" __global__ void bad(int* x) {\n    *x = broken;\n}\n"), 1, [new DevicePointer(16)]);
        var error = Assert.Throws<CudaException>(() => context.Load([list]));
        Assert.Equal("bad", error.Kernel);
        Assert.Equal(
            """
            Kernel bad does not compile for sm_90a with NVRTC 13.0:
            bad(3): error: identifier "broken" is undefined
                 1  // first
                 2  extern "C" __global__ void bad(int* x) {
            >    3      *x = broken;
                 4  }
                 5  
            1 error detected in the compilation of "bad".
            """.ReplaceLineEndings("\n"),
            error.Message);
        // The good one is there, and the bad one is tried again.
        Assert.Equal(1, _machine.Driver.LiveModules);
        Assert.Throws<CudaException>(() => context.Load([list]));
    }

    [Fact]
    public void A_family_that_there_is_not_is_refused_with_those_there_are()
    {
        using var context = _machine.Open();
        var list = new LaunchList();
        list.Add(FakeMachine.Named("one") with { Families = "prelude rms_nrom" }, 1, []);
        var error = Assert.Throws<ArgumentException>(() => context.Load([list]));
        Assert.Contains("'rms_nrom'", error.Message, StringComparison.Ordinal);
        Assert.Contains("rms_norm", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Arguments_that_are_not_the_kernels_are_refused_before_they_do_harm()
    {
        using var context = _machine.Open();
        Assert.Contains("takes more than the 1 arguments", Refused(new DevicePointer(16)), StringComparison.Ordinal);
        Assert.Contains("does not take the 3 arguments", Refused(new DevicePointer(16), 1, 2), StringComparison.Ordinal);
        Assert.Contains("Argument 0 of add", Refused(1, 2), StringComparison.Ordinal);
        Assert.Contains("Argument 1 of add", Refused(new DevicePointer(16), new RowCount(3), 1), StringComparison.Ordinal);
        _machine.Driver.KnowsParameters = false;
        var list = new LaunchList();
        list.Add(FakeMachine.Add, 1, [1]);
        context.Load([list]);

        string Refused(params Argument[] arguments)
        {
            var wrong = new LaunchList();
            wrong.Add(FakeMachine.Add, 1, arguments);
            return Assert.Throws<CudaException>(() => context.Load([wrong])).Message;
        }
    }

    [Fact]
    public void What_a_block_cannot_have_is_refused()
    {
        using var context = _machine.Open();
        var large = new LaunchList();
        large.Add(FakeMachine.Named("large") with { SharedBytes = 232448 }, 1, []);
        Assert.Contains("large needs 233472 bytes of shared memory", Assert.Throws<CudaException>(() => context.Load([large])).Message, StringComparison.Ordinal);
        _machine.Driver.MaximumThreads = 64;
        Assert.Contains("128 threads a block and was compiled for at most 64", Assert.Throws<CudaException>(() => context.Load([FakeMachine.ListOf("wide")])).Message, StringComparison.Ordinal);
        Assert.Equal(0, _machine.Driver.LiveModules);
    }

    public void Dispose() => _machine.Dispose();
}
