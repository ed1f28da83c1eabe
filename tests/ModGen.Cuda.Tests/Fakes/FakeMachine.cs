namespace ModGen.Cuda.Tests.Fakes;

/// <summary>A machine with a fake device, a fake compiler and a cache of its own.</summary>
internal sealed class FakeMachine : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public FakeMachine()
    {
        CacheFolder = Path.Combine(_folder.Path, "kernels");
        Platform = new CudaPlatform(() => Driver, _ => (Compiler, null), () => CacheFolder);
    }

    public FakeDriver Driver { get; } = new();

    public FakeCompiler Compiler { get; } = new();

    public string? CacheFolder { get; set; }

    public CudaPlatform Platform { get; }

    /// <summary>A kernel that takes a pointer and an int.</summary>
    public static Kernel Add { get; } =
        new("add", "prelude", 256, "extern \"C\" __global__ void __launch_bounds__(256, 1) add(int* x, int by) { if (threadIdx.x == 0) *x += by; }\n");

    /// <summary>A kernel of its own name that takes nothing.</summary>
    public static Kernel Named(string name) => new(name, "prelude", 128, $"extern \"C\" __global__ void {name}() {{ }}\n");

    /// <summary>One launch each of kernels of these names.</summary>
    public static LaunchList ListOf(params string[] names)
    {
        var list = new LaunchList();
        foreach (var name in names)
            list.Add(Named(name), 1, []);
        return list;
    }

    public CudaContext Open() => Platform.Open(0, float32: false);

    public string[] CacheFiles => CacheFolder is not null && Directory.Exists(CacheFolder) ? Directory.GetFiles(CacheFolder) : [];

    public void Dispose() => _folder.Dispose();
}
