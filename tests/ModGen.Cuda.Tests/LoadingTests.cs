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
            first.Load([FakeMachine.ListOf("one", "two")]);
            Assert.False(first.Describe(FakeMachine.Named("one")).Cached);
            Assert.Equal((2, 0), (first.Loading.Kernels, first.Loading.Cached));
            Assert.True(first.Loading.Elapsed > TimeSpan.Zero);
        }

        using (var second = _machine.Open())
        {
            second.Load([FakeMachine.ListOf("one", "two")]);
            Assert.Equal(2, _machine.Compiler.Compilations);
            Assert.True(second.Describe(FakeMachine.Named("one")).Cached);
            Assert.Equal((2, 2), (second.Loading.Kernels, second.Loading.Cached));
            var waited = second.Loading.Elapsed;
            second.Load([FakeMachine.ListOf("one", "two")]);
            Assert.Equal((2, waited), (second.Loading.Kernels, second.Loading.Elapsed));
        }

        using (var other = _machine.Platform.Open(0, float32: true))
        {
            other.Load([FakeMachine.ListOf("one")]);
            Assert.Equal(3, _machine.Compiler.Compilations);
        }

        _machine.Compiler.Version = new Version(13, 1);
        using var newer = _machine.Open();
        newer.Load([FakeMachine.ListOf("one")]);
        Assert.Equal(4, _machine.Compiler.Compilations);
    }

    [Fact]
    public void Options_that_the_user_adds_reach_the_compiler_and_tell_its_cubins_apart()
    {
        var cache = new KernelCache(_machine.CacheFolder);
        foreach (var (options, compilations) in new (string[], int)[] { ([], 1), (["--Ofast-compile=mid"], 2), (["--Ofast-compile=mid"], 2), (["-G"], 3), ([], 3) })
        {
            new KernelBuilder(_machine.Compiler, cache, new Version(9, 0), float32: false, options).Build(FakeMachine.Named("one"), define: null);
            Assert.Equal(compilations, _machine.Compiler.Compilations);
        }

        Assert.Equal(["--gpu-architecture=sm_90a", "--std=c++17", "-DMODGEN_FLOAT32=0", "--ptxas-options=-v", "-G"], _machine.Compiler.LastOptions);
    }

    [Fact]
    public void A_damaged_file_is_compiled_again_and_replaced()
    {
        using (var first = _machine.Open())
            first.Load([FakeMachine.ListOf("one")]);
        var file = Assert.Single(_machine.CacheFiles);
        File.WriteAllText(file, "no kernel");
        using (var second = _machine.Open())
            second.Load([FakeMachine.ListOf("one")]);
        Assert.Equal(2, _machine.Compiler.Compilations);
        using (var third = _machine.Open())
            third.Load([FakeMachine.ListOf("one")]);
        Assert.Equal(2, _machine.Compiler.Compilations);
    }

    [Fact]
    public void A_cached_cubin_of_another_architecture_is_compiled_again_and_replaced()
    {
        using (var first = _machine.Open())
            first.Load([FakeMachine.ListOf("one")]);
        var file = Assert.Single(_machine.CacheFiles);
        var key = Convert.FromHexString(Path.GetFileNameWithoutExtension(file));
        // A whole and sound file, only not for this device.
        new KernelCache(_machine.CacheFolder).Write(key, new CompiledKernel(FakeCompiler.Image("sm_80", "one", []), "", 1, Cached: false));
        using (var second = _machine.Open())
        {
            second.Load([FakeMachine.ListOf("one")]);
            Assert.False(second.Describe(FakeMachine.Named("one")).Cached);
        }

        Assert.Equal(2, _machine.Compiler.Compilations);
        using var third = _machine.Open();
        third.Load([FakeMachine.ListOf("one")]);
        Assert.True(third.Describe(FakeMachine.Named("one")).Cached);
    }

    [Fact]
    public void Without_a_place_for_the_cache_everything_works_and_it_is_said()
    {
        _machine.CacheFolder = Path.Combine(typeof(LoadingTests).Assembly.Location, "kernels");
        using var context = _machine.Open();
        context.Load([FakeMachine.ListOf("one", "two")]);
        Assert.Null(context.CacheFolder);
        Assert.Contains("cannot be kept", context.CacheProblem, StringComparison.Ordinal);
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
        context.Load([FakeMachine.ListOf([.. Enumerable.Range(0, 40).Select(i => $"k{i}")])], new Collector(seen));
        Assert.Equal(Enumerable.Range(1, 40), seen.Select(progress => progress.Done).Order());
        Assert.All(seen, progress => Assert.Equal((40, false), (progress.Total, progress.Cached)));
        Assert.Equal(40, seen.Select(progress => progress.Kernel).Distinct().Count());
    }

    [Fact]
    public void Two_processes_that_compile_the_same_at_once_both_work()
    {
        using CudaContext first = _machine.Open(), second = _machine.Open();
        string[] names = [.. Enumerable.Range(0, 30).Select(i => $"k{i}")];
        Parallel.Invoke(() => first.Load([FakeMachine.ListOf(names)]), () => second.Load([FakeMachine.ListOf(names)]));
        Assert.Equal(30, _machine.CacheFiles.Length);
        using var third = _machine.Open();
        var before = _machine.Compiler.Compilations;
        third.Load([FakeMachine.ListOf(names)]);
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

    private sealed class Collector(List<KernelProgress> seen) : IProgress<KernelProgress>
    {
        public void Report(KernelProgress value)
        {
            lock (seen)
                seen.Add(value);
        }
    }
}
