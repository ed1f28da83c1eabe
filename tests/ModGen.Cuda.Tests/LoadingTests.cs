using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public sealed class LoadingTests : IDisposable
{
    private readonly FakeMachine _machine = new();

    [Fact]
    public void Equal_kernels_are_compiled_once_and_definitions_tell_them_apart()
    {
        using var context = _machine.Open();
        var list = new LaunchList();
        list.Add(FakeMachine.Named("one"), 1, []);
        list.Add(FakeMachine.Named("one"), 9, []);
        list.Add(FakeMachine.Named("two"), 1, []);
        list.Add(FakeMachine.Named("two"), 1, [], "constexpr int Tile = 2;\n");
        list.Clear(new DevicePointer(16), 4);
        context.Load([list, list]);
        Assert.Equal(3, _machine.Compiler.Compilations);
        context.Load([list]);
        Assert.Equal(3, _machine.Compiler.Compilations);
        Assert.Equal(3, _machine.Driver.LiveModules);
        Assert.Equal(3, _machine.CacheFiles.Length);
    }

    [Fact]
    public void A_second_process_takes_kernels_from_the_cache_and_a_newer_compiler_does_not()
    {
        using (var first = _machine.Open())
        {
            first.Load([ListOf("one", "two")]);
            Assert.False(first.Describe(FakeMachine.Named("one")).Cached);
        }

        using (var second = _machine.Open())
        {
            second.Load([ListOf("one", "two")]);
            Assert.Equal(2, _machine.Compiler.Compilations);
            Assert.True(second.Describe(FakeMachine.Named("one")).Cached);
        }

        using (var other = _machine.Platform.Open(0, float32: true))
        {
            other.Load([ListOf("one")]);
            Assert.Equal(3, _machine.Compiler.Compilations);
        }

        _machine.Compiler.Version = new Version(13, 1);
        using var newer = _machine.Open();
        newer.Load([ListOf("one")]);
        Assert.Equal(4, _machine.Compiler.Compilations);
    }

    [Fact]
    public void A_damaged_file_is_compiled_again_and_replaced()
    {
        using (var first = _machine.Open())
            first.Load([ListOf("one")]);
        var file = Assert.Single(_machine.CacheFiles);
        File.WriteAllText(file, "no kernel");
        using (var second = _machine.Open())
            second.Load([ListOf("one")]);
        Assert.Equal(2, _machine.Compiler.Compilations);
        using (var third = _machine.Open())
            third.Load([ListOf("one")]);
        Assert.Equal(2, _machine.Compiler.Compilations);
    }

    [Fact]
    public void A_cached_cubin_of_another_architecture_is_compiled_again_and_replaced()
    {
        using (var first = _machine.Open())
            first.Load([ListOf("one")]);
        var file = Assert.Single(_machine.CacheFiles);
        var key = Convert.FromHexString(Path.GetFileNameWithoutExtension(file));
        // A whole and sound file, only not for this device.
        new KernelCache(_machine.CacheFolder).Write(key, new CompiledKernel(FakeCompiler.Image("sm_80", "one", []), "", 1, Cached: false));
        using (var second = _machine.Open())
        {
            second.Load([ListOf("one")]);
            Assert.False(second.Describe(FakeMachine.Named("one")).Cached);
        }

        Assert.Equal(2, _machine.Compiler.Compilations);
        using var third = _machine.Open();
        third.Load([ListOf("one")]);
        Assert.True(third.Describe(FakeMachine.Named("one")).Cached);
    }

    [Fact]
    public void A_fresh_cubin_that_does_not_load_is_an_error_with_kernel_and_call()
    {
        using var context = _machine.Open();
        _machine.Driver.Fail = call => call == "cuModuleLoadData" ? CudaResult.InvalidImage : CudaResult.Success;
        var error = Assert.Throws<CudaException>(() => context.Load([ListOf("one")]));
        Assert.Equal(("cuModuleLoadData", "one"), (error.Call, error.Kernel));
        Assert.Equal(1, _machine.Compiler.Compilations);
    }

    [Fact]
    public void Without_a_place_for_the_cache_everything_works_and_it_is_said()
    {
        _machine.CacheFolder = Path.Combine(typeof(LoadingTests).Assembly.Location, "kernels");
        using var context = _machine.Open();
        context.Load([ListOf("one", "two")]);
        Assert.Null(context.CacheFolder);
        Assert.Contains("cannot be kept", context.CacheProblem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_does_not_compile_is_shown_with_its_lines()
    {
        using var context = _machine.Open();
        var list = ListOf("good");
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
        Assert.Contains("128 threads a block and was compiled for at most 64", Assert.Throws<CudaException>(() => context.Load([ListOf("wide")])).Message, StringComparison.Ordinal);
        Assert.Equal(0, _machine.Driver.LiveModules);
    }

    [Fact]
    public void Shared_memory_is_asked_for_and_described()
    {
        using var context = _machine.Open();
        var kernel = FakeMachine.Named("large") with { SharedBytes = 200_000 };
        var list = new LaunchList();
        list.Add(kernel, 1, []);
        _machine.Compiler.Log = "ptxas : 8 bytes stack frame, 16 bytes spill stores, 16 bytes spill loads\n";
        Assert.Throws<InvalidOperationException>(() => context.Describe(kernel));
        context.Load([list]);
        Assert.Contains("cuFuncSetAttribute(200000)", _machine.Driver.Calls);
        var info = context.Describe(kernel);
        Assert.Equal(("large", 40, 201_024, 0, false), (info.Name, info.Registers, info.SharedBytes, info.LocalBytes, info.Cached));
        Assert.Single(info.Warnings);
    }

    [Fact]
    public void Progress_counts_to_the_end()
    {
        using var context = _machine.Open();
        var seen = new List<KernelProgress>();
        context.Load([ListOf([.. Enumerable.Range(0, 40).Select(i => $"k{i}")])], new Collector(seen));
        Assert.Equal(Enumerable.Range(1, 40), seen.Select(progress => progress.Done).Order());
        Assert.All(seen, progress => Assert.Equal((40, false), (progress.Total, progress.Cached)));
        Assert.Equal(40, seen.Select(progress => progress.Kernel).Distinct().Count());
    }

    [Fact]
    public void Two_processes_that_compile_the_same_at_once_both_work()
    {
        using CudaContext first = _machine.Open(), second = _machine.Open();
        string[] names = [.. Enumerable.Range(0, 30).Select(i => $"k{i}")];
        Parallel.Invoke(() => first.Load([ListOf(names)]), () => second.Load([ListOf(names)]));
        Assert.Equal(30, _machine.CacheFiles.Length);
        using var third = _machine.Open();
        var before = _machine.Compiler.Compilations;
        third.Load([ListOf(names)]);
        Assert.Equal(before, _machine.Compiler.Compilations);
    }

    [Fact]
    public void The_text_holds_definitions_families_once_and_the_entry_in_order()
    {
        var kernel = FakeMachine.Named("entry") with { Families = "prelude  rms_norm prelude" };
        var text = KernelSource.Of(kernel, "constexpr int First = 1;");
        string[] marks = ["#line 1 \"defines\"\nconstexpr int First = 1;\n", "#line 1 \"prelude.cuh\"\n", "#line 1 \"rms_norm.cuh\"\n", "#line 1 \"entry\"\n"];
        var places = marks.Select(mark => text.IndexOf(mark, StringComparison.Ordinal)).ToArray();
        Assert.Equal(places.Order(), places);
        Assert.Equal(0, places[0]);
        Assert.Equal(4, text.Split("#line 1").Length - 1);
        Assert.Contains("prelude", KernelSource.Families);
    }

    public void Dispose() => _machine.Dispose();

    private static LaunchList ListOf(params string[] names)
    {
        var list = new LaunchList();
        foreach (var name in names)
            list.Add(FakeMachine.Named(name), 1, []);
        return list;
    }

    private sealed class Collector(List<KernelProgress> seen) : IProgress<KernelProgress>
    {
        public void Report(KernelProgress value)
        {
            lock (seen)
                seen.Add(value);
        }
    }
}
