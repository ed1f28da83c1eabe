using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests;

public sealed class KernelCacheTests : IDisposable
{
    private static readonly byte[] Key = KernelCache.Key("text", ["option"], new Version(13, 0));
    private static readonly CompiledKernel Kernel = new([1, 2, 3, 4, 5, 6, 7], "a log\nof two lines", 12.5, Cached: false);
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void What_was_written_is_read()
    {
        new KernelCache(_folder.Path).Write(Key, Kernel);
        var read = new KernelCache(_folder.Path).Read(Key);
        Assert.NotNull(read);
        Assert.Equal(Kernel.Cubin, read.Cubin);
        Assert.Equal(Kernel.Log, read.Log);
        Assert.Equal(12.5, read.Milliseconds);
        Assert.True(read.Cached);
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void The_key_holds_all_that_decides_the_cubin()
    {
        byte[][] keys =
        [
            Key,
            KernelCache.Key("text ", ["option"], new Version(13, 0)),
            KernelCache.Key("text", ["option", "other"], new Version(13, 0)),
            KernelCache.Key("text", ["option"], new Version(13, 1)),
            KernelCache.Key("option\n\ntext", [], new Version(13, 0)),
        ];
        Assert.Equal(keys.Length, keys.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public void A_file_with_any_byte_changed_is_as_one_that_is_missing()
    {
        var cache = new KernelCache(_folder.Path);
        cache.Write(Key, Kernel);
        var path = cache.PathOf(Key)!;
        var good = File.ReadAllBytes(path);
        for (var i = 0; i < good.Length; i++)
        {
            var bad = good.ToArray();
            bad[i] ^= 0x10;
            File.WriteAllBytes(path, bad);
            Assert.True(cache.Read(Key) is null, $"byte {i} was changed and the file was read");
        }
    }

    [Fact]
    public void A_file_that_is_cut_off_or_too_long_is_as_one_that_is_missing()
    {
        var cache = new KernelCache(_folder.Path);
        cache.Write(Key, Kernel);
        var path = cache.PathOf(Key)!;
        var good = File.ReadAllBytes(path);
        for (var length = 0; length < good.Length; length++)
        {
            File.WriteAllBytes(path, good[..length]);
            Assert.True(cache.Read(Key) is null, $"cut to {length} bytes and the file was read");
        }

        File.WriteAllBytes(path, [.. good, 0]);
        Assert.Null(cache.Read(Key));
        cache.Write(Key, Kernel);
        Assert.NotNull(cache.Read(Key));
    }

    [Fact]
    public void The_file_of_another_key_under_this_name_is_not_read()
    {
        var cache = new KernelCache(_folder.Path);
        var other = KernelCache.Key("other", [], new Version(12, 0));
        cache.Write(other, Kernel);
        File.Copy(cache.PathOf(other)!, cache.PathOf(Key)!);
        Assert.Null(cache.Read(Key));
    }

    [Fact]
    public async Task Writers_and_readers_at_once_see_whole_files()
    {
        var stop = TestContext.Current.CancellationToken;
        CompiledKernel[] contents = [.. Enumerable.Range(1, 4).Select(n => new CompiledKernel([.. Enumerable.Repeat((byte)n, 50_000 * n)], $"log {n}", n, false))];
        var caches = Enumerable.Range(0, 4).Select(_ => new KernelCache(_folder.Path)).ToArray();
        caches[0].Write(Key, contents[0]);
        var writers = Enumerable.Range(0, 4).Select(n => Task.Run(
            () =>
            {
                for (var round = 0; round < 25; round++)
                    caches[n].Write(Key, contents[n]);
            },
            stop));
        var readers = Enumerable.Range(0, 3).Select(n => Task.Run(
            () =>
            {
                for (var round = 0; round < 100; round++)
                {
                    var read = caches[n].Read(Key);
                    Assert.NotNull(read);
                    Assert.Equal(50_000 * read.Cubin[0], read.Cubin.Length);
                    Assert.Equal($"log {read.Cubin[0]}", read.Log);
                }
            },
            stop));
        await Task.WhenAll(writers.Concat(readers));
        Assert.All(caches, cache => Assert.Null(cache.Problem));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_said_and_no_error()
    {
        var file = Path.Combine(_folder.Path, "file");
        File.WriteAllText(file, "");
        var cache = new KernelCache(Path.Combine(file, "kernels"));
        cache.Write(Key, Kernel);
        Assert.Null(cache.Read(Key));
        Assert.Contains(file, cache.Problem, StringComparison.Ordinal);
        Assert.Contains(KernelCache.FolderVariable, cache.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_goes_away_is_said_once()
    {
        var folder = Path.Combine(_folder.Path, "kernels");
        var cache = new KernelCache(folder);
        Assert.Null(cache.Problem);
        Directory.Delete(folder);
        cache.Write(Key, Kernel);
        var problem = cache.Problem;
        Assert.NotNull(problem);
        cache.Write(KernelCache.Key("other", [], new Version(13, 0)), Kernel);
        Assert.Same(problem, cache.Problem);
    }

    [Fact]
    public void What_a_killed_writer_left_is_removed_when_it_is_old_and_never_read()
    {
        var left = Path.Combine(_folder.Path, $"{Convert.ToHexStringLower(Key)}.kernel.4711-aa.tmp");
        var young = Path.Combine(_folder.Path, $"{Convert.ToHexStringLower(Key)}.kernel.4712-bb.tmp");
        File.WriteAllBytes(left, [1, 2, 3]);
        File.WriteAllBytes(young, [1, 2, 3]);
        File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddHours(-2));
        var cache = new KernelCache(_folder.Path);
        Assert.Null(cache.Read(Key));
        Assert.False(File.Exists(left));
        // It may be another process at work.
        Assert.True(File.Exists(young));
        cache.Write(Key, Kernel);
        Assert.NotNull(cache.Read(Key));
    }

    [Fact]
    public void The_folder_is_the_users_choice_or_the_systems_place()
    {
        Assert.Equal(Path.GetFullPath("/choice"), Folder(false, ("MODGEN_CACHE", "/choice"), ("XDG_CACHE_HOME", "/xdg")));
        Assert.Equal(Path.Combine("/xdg", "modgen", "kernels"), Folder(false, ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/u")));
        Assert.Equal(Path.Combine("/home/u", ".cache", "modgen", "kernels"), Folder(false, ("XDG_CACHE_HOME", ""), ("HOME", "/home/u")));
        Assert.Equal(Path.Combine("/local", "modgen", "kernels"), Folder(true, ("LOCALAPPDATA", "/local"), ("HOME", "/home/u")));
        Assert.Null(Folder(false));
        Assert.Contains(KernelCache.FolderVariable, new KernelCache(null).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_keeps_what_a_person_should_know()
    {
        const string Log = """
            ptxas info    : 0 bytes gmem
            ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to insufficient register resources
            ptxas         .     8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
            fill(3): warning #177-D: variable "x" was declared but never referenced
            """;
        Assert.Equal([1, 2, 3], KernelBuilder.WarningsOf(Log).Select(line => Log.Split('\n').ToList().FindIndex(l => l.Trim() == line)));
        Assert.Empty(KernelBuilder.WarningsOf("ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\nptxas info    : Used 10 registers\n"));
    }

    public void Dispose() => _folder.Dispose();

    private static string? Folder(bool windows, params (string Name, string Value)[] variables) =>
        KernelCache.DefaultFolder(windows, name => variables.FirstOrDefault(variable => variable.Name == name).Value);
}
