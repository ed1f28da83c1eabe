using ModGen.Cuda.Tests.Fakes;

namespace ModGen.Cuda.Tests.Device;

/// <summary>NVRTC as it is; needs the library and no GPU.</summary>
public sealed class CompilerTests : IDisposable
{
    private static readonly Lazy<string?> WhyNot = new(FindCompiler);
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData(8, 0, false)]
    [InlineData(8, 0, true)]
    [InlineData(9, 0, false)]
    [InlineData(9, 0, true)]
    public void Kernels_become_cubins(int major, int minor, bool float32)
    {
        var built = Builder(new Version(major, minor), float32).Build(DeviceKernels.Echo, "// before\n");
        Assert.Equal([0x7F, (byte)'E', (byte)'L', (byte)'F'], built.Cubin[..4]);
        Assert.False(built.Cached);
        Assert.Empty(KernelBuilder.WarningsOf(built.Log));
        Assert.True(Builder(new Version(major, minor), float32).Build(DeviceKernels.Echo, "// before\n").Cached);
        Assert.False(Builder(new Version(major, minor), !float32).Build(DeviceKernels.Echo, "// before\n").Cached);
    }

    [Fact]
    public void An_error_in_a_definition_or_a_family_is_named_by_its_own_line()
    {
        var builder = Builder(new Version(9, 0), float32: false);
        var kernel = DeviceKernels.Of("late", 32, "extern \"C\" __global__ void late() { u32 x = shared_address(); }");
        var error = Assert.Throws<CudaException>(() => builder.Build(kernel, "constexpr int Tile = 3;\nstatic_assert(Tile == 4, \"a tile of four\");\n"));
        Assert.Contains("Kernel late does not compile for sm_90a with NVRTC", error.Message, StringComparison.Ordinal);
        Assert.Contains("defines(2): error:", error.Message, StringComparison.Ordinal);
        Assert.Contains("a tile of four", error.Message, StringComparison.Ordinal);
        Assert.Contains("     1  constexpr int Tile = 3;\n>    2  static_assert", error.Message, StringComparison.Ordinal);
        Assert.Contains("late(1): error:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_spill_is_reported_and_no_error()
    {
        const string Text = """
            extern "C" __global__ void __launch_bounds__(1024, 2) spill(const float* x, float* y) {
                float v[96];
            #pragma unroll
                for (int i = 0; i < 96; i++) v[i] = x[i * 1024 + threadIdx.x];
                __syncthreads();
            #pragma unroll
                for (int i = 0; i < 96; i++) y[i * 1024 + threadIdx.x] = v[i] * v[95 - i] + v[(i * 7) % 96];
            }
            """;
        var built = Builder(new Version(9, 0), float32: false).Build(DeviceKernels.Of("spill", 1024, Text), null);
        Assert.Contains(KernelBuilder.WarningsOf(built.Log), line => line.Contains("bytes spill", StringComparison.Ordinal));
    }

    [Fact]
    public void Threads_compile_at_once()
    {
        var builder = Builder(new Version(8, 0), float32: false);
        Parallel.For(0, 16, i =>
        {
            var name = $"kernel{i % 8}";
            var built = builder.Build(DeviceKernels.Of(name, 32, $"extern \"C\" __global__ void {name}(int* x) {{ *x = {i % 8}; }}"), null);
            Assert.NotEmpty(built.Cubin);
        });
        Assert.Equal(8, Directory.GetFiles(_folder.Path).Length);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Skips the test where there is no NVRTC.</summary>
    internal static void NeedCompiler() => Assert.SkipWhen(WhyNot.Value is not null, WhyNot.Value ?? "");

    private KernelBuilder Builder(Version capability, bool float32)
    {
        NeedCompiler();
        return new KernelBuilder(new NvrtcCompiler(), new KernelCache(_folder.Path), capability, float32);
    }

    // The library is loaded once a process: where there is a driver, the one that fits it.
    private static string? FindCompiler()
    {
        var driver = new NativeDriver();
        var version = NativeLibraries.LoadDriver() && driver.DriverVersion(out var number) == CudaResult.Success ? new Version(number / 1000, number % 1000 / 10) : new Version(99, 0);
        return NativeLibraries.LoadCompiler(version);
    }
}
