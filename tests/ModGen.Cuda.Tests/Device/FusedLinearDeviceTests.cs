using System.Runtime.InteropServices;

namespace ModGen.Cuda.Tests.Device;

/// <summary>Fused products against the two launches that they stand for, on a Hopper device.</summary>
public sealed class FusedLinearDeviceTests(RealDevice device) : IClassFixture<RealDevice>
{
    private const int Width = 264, Inputs = 136, HeadWidth = 64, Heads = 3, Positions = 100;
    private const string Families = "prelude sm90 wgmma linear_stores linear_sm90 linear_epilogues_sm90 linear_fused_epilogues_sm90";
    private const string OverlappedFamilies = "prelude sm90 wgmma linear_sm90 linear_overlapped_sm90 linear_overlapped_epilogues_sm90";
    private const string Map = "const __grid_constant__ TensorMap ";

    [Theory]
    [InlineData(1)]
    [InlineData(333)]
    [InlineData(9000)]
    public void SwiGlu_of_a_product(int rows)
    {
        var kernel = new FusedLinear("linear_swiglu", LinearKernels.Of(LinearPass.Forward, 2 * Width, Inputs),
            Entry("prelude vectors elementwise", "const element* x, element* y, Rows rows", $"swiglu_fwd<{Width}>(x, y, rows);", 256), Width)
        {
            Hopper = Entry(OverlappedFamilies, $"{Map}x, {Map}w, bf16* h, bf16* branches, int rows",
                $"linear_overlapped_sm90<LinearTile<256, false, false, 3, LINEAR_CLUSTER, 8, 2, {Width}>>(x, w, rows, {2 * Width}, {Inputs}, OverlappedSwiGlu{{h, branches, {Width}}});", 384),
            Overlapped = true,
            Split = true,
        };
        using var bench = new Bench(device.Hopper(), rows);
        var (x, w) = (bench.Random(rows * Inputs, 1), bench.Random(2 * Width * Inputs, 0.2));
        DevicePointer[] branches = [bench.Space(rows * 2 * Width), bench.Space(rows * 2 * Width)], h = [bench.Space(rows * Width), bench.Space(rows * Width)];
        var chosen = kernel.Choose(bench.Context, new RowCount(rows))!.Value;
        var (a, b) = kernel.Map(bench.Context, chosen.Hopper!.Value, x, w, rows);
        bench.Run(list => list.Add(chosen.Kernel, chosen.Blocks, [a, b, h[0], branches[0], rows], chosen.Define));
        bench.RunApart(kernel, rows, x, w, branches[1], [branches[1], h[1], new RowCount(rows)]);
        bench.Compare("branches", rows * 2 * Width, branches[0], branches[1]);
        bench.Compare("h", rows * Width, h[0], h[1]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(333)]
    [InlineData(9000)]
    public void The_gradient_of_SwiGlu_s_branches_in_their_place(int rows)
    {
        var kernel = new FusedLinear("swiglu_input_gradient", LinearKernels.Of(LinearPass.InputGradient, Inputs, Width),
            Entry("prelude vectors elementwise", "const element* x, const element* dy, element* dx, Rows rows", $"swiglu_bwd<{Width}>(x, dy, dx, rows);", 256), Width)
        {
            Hopper = Entry(OverlappedFamilies, $"{Map}dy, {Map}w, const bf16* branches, bf16* d_branches, int rows",
                $"linear_overlapped_sm90<LinearTile<256, false, true, 3, LINEAR_CLUSTER, 2>>(dy, w, rows, {Width}, {Inputs}, OverlappedSwiGluGradient{{branches, d_branches, {Width}}});", 384),
            Overlapped = true,
        };
        using var bench = new Bench(device.Hopper(), rows);
        var (dy, w, branches, dh, apart) = (bench.Random(rows * Inputs, 1), bench.Random(Inputs * Width, 0.2), bench.Random(rows * 2 * Width, 2), bench.Space(rows * Width), bench.Space(rows * 2 * Width));
        bench.RunApart(kernel, rows, dy, w, dh, [branches, dh, apart, new RowCount(rows)]);
        var chosen = kernel.Choose(bench.Context, new RowCount(rows))!.Value;
        var (a, b) = kernel.Map(bench.Context, chosen.Hopper!.Value, dy, w, rows);
        bench.Run(list => list.Add(chosen.Kernel, chosen.Blocks, [a, b, branches, branches, rows], chosen.Define));
        bench.Compare("gradients", rows * 2 * Width, branches, apart);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(333)]
    [InlineData(9000)]
    public void Rotation_of_a_product(int rows)
    {
        const int Columns = 4 * HeadWidth;
        var kernel = new FusedLinear("linear_rotary", LinearKernels.Of(LinearPass.Forward, Columns, Inputs),
            Entry("prelude vectors elementwise", "element* x, const int* positions, const float2* table, Rows rows", $"rotary<{Heads}, {HeadWidth}, {Columns}, false>(x, positions, table, rows);", 256), Heads * HeadWidth / 2)
        {
            Hopper = Entry(Families, $"{Map}x, {Map}w, {Map}y, int rows, const int* positions, const float2* table",
                $"linear_sm90<LinearTile<256, false, false, 4, LINEAR_CLUSTER>>(x, w, rows, {Columns}, {Inputs}, 1, RotaryStore<{HeadWidth}, {Heads * HeadWidth}>{{y, positions, table, rows}});", 384),
        };
        using var bench = new Bench(device.Hopper(), rows);
        var (x, w) = (bench.Random(rows * Inputs, 1), bench.Random(Columns * Inputs, 1));
        var positions = bench.Upload(Enumerable.Range(0, rows).Select(i => i * 7 % Positions).ToArray());
        var table = bench.Upload(Enumerable.Range(0, Positions * HeadWidth / 2).SelectMany(i => new[] { MathF.Cos(i * 0.37f), MathF.Sin(i * 0.37f) }).ToArray());
        DevicePointer[] y = [bench.Space(rows * Columns), bench.Space(rows * Columns)];
        var chosen = kernel.Choose(bench.Context, new RowCount(rows))!.Value;
        var (a, b) = kernel.Map(bench.Context, chosen.Hopper!.Value, x, w, rows);
        bench.Run(list => list.Add(chosen.Kernel, chosen.Blocks, [a, b, FusedLinear.MapResult(bench.Context, y[0], rows, Columns), rows, positions, table], chosen.Define));
        bench.RunApart(kernel, rows, x, w, y[1], [y[1], positions, table, new RowCount(rows)]);
        bench.Compare("y", rows * Columns, y[0], y[1]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(333)]
    [InlineData(9000)]
    public void Sum_of_a_product_and_what_is_there(int rows)
    {
        var kernel = new FusedLinear("linear_sum", LinearKernels.Of(LinearPass.Forward, Width, Inputs),
            Entry("prelude vectors elementwise", "const element* a, const element* b, element* sum, Rows rows", $"add<{Width}, element, element, element>(a, b, sum, rows);", 256), Width)
        {
            Hopper = Entry(Families, $"{Map}x, {Map}w, const element* residual, element* y, int rows",
                $"linear_sm90<LinearTile<256, false, false, 4, LINEAR_CLUSTER>>(x, w, rows, {Width}, {Inputs}, 1, RowStore<AddTo<element, element>>{{AddTo<element, element>{{residual, y, {Width}}}, rows, {Width}}});", 384),
        };
        using var bench = new Bench(device.Hopper(), rows);
        var (x, w, residual, product, apart) = (bench.Random(rows * Inputs, 1), bench.Random(Width * Inputs, 0.2), bench.Random(rows * Width, 2), bench.Space(rows * Width), bench.Space(rows * Width));
        bench.RunApart(kernel, rows, x, w, product, [residual, product, apart, new RowCount(rows)]);
        var chosen = kernel.Choose(bench.Context, new RowCount(rows))!.Value;
        var (a, b) = kernel.Map(bench.Context, chosen.Hopper!.Value, x, w, rows);
        bench.Run(list => list.Add(chosen.Kernel, chosen.Blocks, [a, b, residual, residual, rows], chosen.Define));
        bench.Compare("sum in place", rows * Width, residual, apart);
    }

    private static Kernel Entry(string families, string parameters, string call, int threads) =>
        new("fused", families, threads, $"extern \"C\" __global__ void __launch_bounds__({threads}, 1) fused({parameters}) {{\n    {call}\n}}\n");

    // Memory that starts as NaN, random operands, and a comparison that fails on NaN.
    private sealed class Bench : IDisposable
    {
        private const int Bytes = 256 << 20;
        private readonly CudaStream _stream;
        private readonly DeviceMemory _memory;
        private readonly Random _random;
        private long _used;

        public Bench(CudaContext context, int seed)
        {
            Context = context;
            _stream = context.CreateStream();
            _memory = context.Allocate(Bytes, "a test of fused products");
            _stream.Fill(_memory.Pointer, 0xFF, Bytes);
            _random = new Random(seed);
        }

        public CudaContext Context { get; }

        public DevicePointer Space(int elements) => Take(2L * elements);

        public DevicePointer Random(int elements, double scale) =>
            Upload(Enumerable.Range(0, elements).Select(_ => (ushort)(BitConverter.SingleToUInt32Bits((float)((_random.NextDouble() - 0.5) * scale)) >> 16)).ToArray());

        public DevicePointer Upload<T>(T[] values) where T : unmanaged
        {
            var at = Take((long)Marshal.SizeOf<T>() * values.Length);
            _stream.Upload(at, values.AsSpan());
            return at;
        }

        public void Run(Action<LaunchList> add)
        {
            var list = new LaunchList();
            add(list);
            Context.Load([list]);
            _stream.Run(list);
        }

        /// <summary>The two launches, the product in its portable form: nothing of it is shared with what is tested.</summary>
        public void RunApart(FusedLinear kernel, int rows, DevicePointer a, DevicePointer b, DevicePointer result, Argument[] rest)
        {
            var product = (kernel.Product with { Hopper = null, Few = null }).Choose(Context, new RowCount(rows));
            Run(list =>
            {
                list.Add(product.Kernel, product.Blocks, [a, b, result, new RowCount(rows)], product.Define);
                list.Add(kernel.Rest, (int)(((long)rows * kernel.Width + 2047) / 2048), rest);
            });
        }

        public void Compare(string what, int elements, DevicePointer got, DevicePointer want)
        {
            var (a, b) = (new ushort[elements], new ushort[elements]);
            _stream.Download(a.AsSpan(), got);
            _stream.Download(b.AsSpan(), want);
            double error = 0, norm = 0;
            for (var i = 0; i < elements; i++)
            {
                double x = BitConverter.UInt32BitsToSingle((uint)a[i] << 16), y = BitConverter.UInt32BitsToSingle((uint)b[i] << 16);
                error += (x - y) * (x - y);
                norm += y * y;
            }

            // Both round their branches to bfloat16, one before and one behind the activation.
            Assert.True(Math.Sqrt(error / norm) <= 6e-3, $"{what}: relative difference {Math.Sqrt(error / norm):g3}");
        }

        public void Dispose()
        {
            _memory.Dispose();
            _stream.Dispose();
        }

        private DevicePointer Take(long bytes)
        {
            var at = _memory.Pointer + _used;
            _used += (bytes + 255) / 256 * 256;
            Assert.True(_used <= Bytes, "the test's memory is too small");
            return at;
        }
    }
}
