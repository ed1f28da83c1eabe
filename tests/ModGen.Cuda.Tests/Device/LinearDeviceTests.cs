using System.Runtime.InteropServices;

namespace ModGen.Cuda.Tests.Device;

/// <summary>The products of a layer in every form, on a device, against sums in double.</summary>
public sealed class LinearDeviceTests(RealDevice device) : IClassFixture<RealDevice>
{
    private const int Outputs = 264, Inputs = 200;

    public static TheoryData<LinearPass, string, int> Forms()
    {
        var data = new TheoryData<LinearPass, string, int>();
        foreach (var pass in Enum.GetValues<LinearPass>())
            foreach (var form in new[] { "plain", "portable", "hopper" })
                foreach (var rows in new[] { 1, 333, 4100 })
                    data.Add(pass, form, rows);
        data.Add(LinearPass.Forward, "few", 1);
        data.Add(LinearPass.Forward, "few", 19);
        return data;
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_product_in_bfloat16_is_right_in_every_form(LinearPass pass, string form, int rows)
    {
        var context = form == "hopper" ? device.Hopper() : device.Context;
        Check(context, LinearKernels.Of(pass, Outputs, Inputs), form, rows, tolerance: pass == LinearPass.WeightGradient ? 1e-5 : 4e-3);
        if (pass == LinearPass.WeightGradient)
            Check(context, LinearKernels.Of(pass, Outputs, Inputs), form, rows, tolerance: 1e-5, stores: true);
    }

    [Theory]
    [InlineData("plain", 333)]
    [InlineData("portable", 333)]
    [InlineData("hopper", 333)]
    [InlineData("few", 30)]
    public void What_is_stored_by_rows_is_right_in_every_form(string form, int rows)
    {
        var context = form == "hopper" ? device.Hopper() : device.Context;
        Check(context, LinearKernels.WithBias(Outputs, Inputs), form, rows, tolerance: 1e-5, biased: true);
    }

    [Theory]
    [InlineData(LinearPass.Forward)]
    [InlineData(LinearPass.InputGradient)]
    [InlineData(LinearPass.WeightGradient)]
    public void A_product_in_float32_is_right(LinearPass pass)
    {
        RealDevice.Need();
        using var context = CudaContext.Open(0, float32: true);
        Check(context, LinearKernels.Of(pass, Outputs, Inputs), "plain", 333, tolerance: 1e-6);
    }

    private static void Check(CudaContext context, LinearKernel kernel, string form, int rows, double tolerance, bool biased = false, bool stores = false)
    {
        var (m, n, k) = kernel.Pass switch
        {
            LinearPass.Forward => (rows, Outputs, Inputs),
            LinearPass.InputGradient => (rows, Inputs, Outputs),
            _ => (Outputs, Inputs, rows),
        };
        var (mnMajorA, mnMajorB) = (kernel.Pass == LinearPass.WeightGradient, kernel.Pass != LinearPass.Forward);
        var random = new Random(rows);
        var (a, b, bias, before) = (Values(m * k), Values(n * k), Values(n), Values(m * n));
        var weight = kernel.Pass == LinearPass.WeightGradient;
        var elements = !weight && !biased && !context.Float32;
        using var stream = context.CreateStream();
        using var memory = context.Allocate(64 << 20, "a test of products");
        var (at, bt, ct, counter, biasAt, turns) = (memory.Pointer, memory.Pointer + (16 << 20), memory.Pointer + (32 << 20), memory.Pointer + (48 << 20), memory.Pointer + (49 << 20), memory.Pointer + (50 << 20));
        Upload(at, a);
        Upload(bt, b);
        stream.Upload(biasAt, bias.AsSpan());
        stream.Upload(counter, [rows]);
        var list = new LaunchList();
        var forms = form switch
        {
            "plain" => kernel with { Portable = null, Hopper = null, Few = null },
            "portable" => kernel with { Hopper = null, Few = null },
            "hopper" => kernel with { Few = null },
            _ => kernel,
        };
        // Rows are counted where the form can take that.
        var count = form == "hopper" ? new RowCount(rows) : new RowCount(form == "few" ? 32 : rows + 100, counter);
        var chosen = forms.Choose(context, count);
        // Slices that are apart leave a matrix each, which are added up here.
        var slices = chosen.Hopper is { Apart: true } apart ? apart.Slices : 1;
        var adds = weight && !stores && slices == 1;
        if (adds)
            stream.Upload(ct, before.AsSpan());
        else
            stream.Fill(ct, 0xFF, sizeof(float) * (long)m * n * slices);

        List<Argument> arguments = chosen.Hopper is { } tile
            ? [.. All(kernel.Map(context, tile, at, bt, ct, rows)), rows]
            : [at, bt, ct, count];
        if (biased)
            arguments.Add(biasAt);
        if (weight)
            arguments.Add(adds ? 1 : 0);
        if (chosen.Turns > 0 || slices > 1)
            arguments.Add(turns);
        list.Add(chosen.Kernel, chosen.Blocks, CollectionsMarshal.AsSpan(arguments), chosen.Define);
        context.Load([list]);
        stream.Run(list);

        var got = new float[m * n];
        if (elements)
        {
            var bits = new ushort[m * n];
            stream.Download(bits.AsSpan(), ct);
            for (var i = 0; i < bits.Length; i++)
                got[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
        }
        else
        {
            var sums = new float[m * n * slices];
            stream.Download(sums.AsSpan(), ct);
            for (var i = 0; i < sums.Length; i++)
                got[i % got.Length] += sums[i];
        }

        double error = 0, norm = 0;
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                var want = adds ? before[i * n + j] : biased ? bias[j] : 0.0;
                for (var d = 0; d < k; d++)
                    want += (double)a[mnMajorA ? d * m + i : i * k + d] * b[mnMajorB ? d * n + j : j * k + d];
                error += (got[i * n + j] - want) * (got[i * n + j] - want);
                norm += want * want;
            }
        }

        Assert.True(Math.Sqrt(error / norm) <= tolerance, $"{kernel.Name}, {form}, {rows} rows: relative error {Math.Sqrt(error / norm):g3} of {tolerance:g3}");
        if (chosen.Turns > 0)
        {
            var left = new uint[chosen.Turns];
            stream.Download(left.AsSpan(), turns);
            Assert.All(left, turn => Assert.Equal(0u, turn));
        }

        // Exact in bfloat16, so that the sums in double are of what the device reads.
        float[] Values(int length) => [.. Enumerable.Range(0, length).Select(_ => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits((float)(random.NextDouble() - 0.5)) & 0xFFFF0000u))];

        void Upload(DevicePointer to, float[] values)
        {
            if (context.Float32)
                stream.Upload(to, values.AsSpan());
            else
                stream.Upload(to, values.Select(v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16)).ToArray().AsSpan());
        }

        static Argument[] All((Argument A, Argument B, Argument Result) three) => [three.A, three.B, three.Result];
    }
}
