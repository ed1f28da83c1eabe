namespace ModGen.Cuda.Tests.Device;

/// <summary>Attention in every form, on a device, against sums in double.</summary>
public sealed class AttentionDeviceTests(RealDevice device) : IClassFixture<RealDevice>
{
    private const int Heads = 4, Groups = 2, Batch = 2;

    [Theory]
    [InlineData("hopper", 64, 300)]
    [InlineData("hopper", 64, 7)]
    [InlineData("hopper", 128, 200)]
    [InlineData("joint", 64, 192)]
    [InlineData("joint", 64, 100)]
    [InlineData("portable", 48, 130)]
    [InlineData("portable", 64, 65)]
    [InlineData("portable", 128, 64)]
    [InlineData("plain", 34, 70)]
    [InlineData("float32", 34, 70)]
    [InlineData("float32", 256, 40)]
    public void Attention_and_its_gradient_are_right_in_every_form(string form, int width, int length)
    {
        RealDevice.Need();
        using var precise = form == "float32" ? CudaContext.Open(0, float32: true) : null;
        var batch = form == "joint" ? 70 : Batch;  // as many heads of sequences as the one kernel wants
        var context = precise ?? (form is "hopper" or "joint" ? device.Hopper() : device.Context);
        var all = AttentionKernels.Of(Heads, Groups, width, length);
        var kernel = form switch
        {
            "plain" => all with { HopperForward = null, PortableForward = null, PortableQueries = null, PortableKeys = null },
            "portable" => all with { HopperForward = null },
            _ => all,
        };
        var problem = new AttentionProblem(batch, length, Heads, Groups, width);
        using var stream = context.CreateStream();
        using var memory = context.Allocate(96 << 20, "a test of attention");
        var (qkv, o, lse, gradient, packed, rows) = (memory.Pointer, memory.Pointer + (16 << 20), memory.Pointer + (32 << 20), memory.Pointer + (48 << 20), memory.Pointer + (64 << 20), memory.Pointer + (80 << 20));
        stream.Fill(memory.Pointer, 0xFF, memory.Bytes);
        DeviceValues.Upload(stream, context, qkv, problem.Qkv);
        DeviceValues.Upload(stream, context, gradient, problem.OutputGradient);
        var list = new LaunchList();
        var forward = kernel.ChooseForward(context, batch);
        var (queries, keys) = (kernel.ChooseQueries(context, batch), kernel.ChooseKeys(context, batch));
        if (kernel.IsMapped(context))
        {
            Argument map = kernel.Map(context, qkv, packed: true, batch), mapGradient = kernel.Map(context, gradient, packed: false, batch), mapPacked = kernel.Map(context, packed, packed: true, batch);
            list.Add(forward.Kernel, forward.Blocks, [map, kernel.Map(context, o, packed: false, batch), lse, batch]);
            if (form == "joint")
            {
                var whole = Assert.NotNull(kernel.ChooseGradient(context, batch));
                list.Add(whole.Chosen.Kernel, whole.Chosen.Blocks, [map, mapGradient, mapPacked, o, lse, rows, rows + (1 << 20), default(DevicePointer), default(DevicePointer), batch]);
            }
            else
            {
                list.Add(queries.Kernel, queries.Blocks, [map, mapGradient, mapPacked, o, gradient, lse, rows, default(DevicePointer), default(DevicePointer), batch]);
                list.Add(keys.Kernel, keys.Blocks, [map, mapGradient, mapPacked, rows, default(DevicePointer), default(DevicePointer), batch]);
            }
        }
        else
        {
            var products = kernel.ChooseRows(batch);
            list.Add(forward.Kernel, forward.Blocks, [qkv, o, lse, batch]);
            list.Add(products.Kernel, products.Blocks, [o, gradient, rows, batch]);
            list.Add(queries.Kernel, queries.Blocks, [qkv, gradient, lse, rows, packed, batch]);
            list.Add(keys.Kernel, keys.Blocks, [qkv, gradient, lse, rows, packed, batch]);
        }

        context.Load([list]);
        stream.Run(list);
        var got = DeviceValues.Download(stream, context, o, problem.Output.Length);
        DeviceValues.Near("o", problem.Output, got, context.Float32 ? 2e-6 : 6e-3);
        var sums = new float[problem.Lse.Length];
        stream.Download(sums.AsSpan(), lse);
        DeviceValues.Near("lse", problem.Lse, sums, context.Float32 ? 1e-6 : 1e-5);
        DeviceValues.Near("d_qkv", problem.QkvGradient, DeviceValues.Download(stream, context, packed, problem.QkvGradient.Length), context.Float32 ? 2e-6 : 8e-3);
    }

    [Theory]
    [InlineData("rows", 64)]
    [InlineData("rows", 34)]
    [InlineData("split", 64)]
    [InlineData("split", 34)]
    [InlineData("tiles", 64)]
    [InlineData("tiles", 128)]
    public void Attention_over_caches_is_right_in_every_form(string form, int width)
    {
        RealDevice.Need();
        const int Context = 300, Sequences = 3;
        var context = device.Context;
        var kernel = AttentionKernels.OverCaches(Heads, Groups, width, Context);
        // Runs of sequences, old entries before them, and fewer rows than the most.
        int[] lengths = [130, 0, 64], runs = form == "tiles" ? [2, 0, 1, 0] : [2, 0, 1], counts = form == "tiles" ? [30, 70, 5, 61] : [3, 9, 5];
        var problem = new CacheProblem(lengths, [.. runs.SelectMany((sequence, i) => Enumerable.Repeat(sequence, counts[i]))], Context, Heads, Groups, width);
        var rows = problem.Rows;
        using var stream = context.CreateStream();
        using var memory = context.Allocate(64 << 20, "a test of cached attention");
        var (qkv, cache, o, ints, partials) = (memory.Pointer, memory.Pointer + (16 << 20), memory.Pointer + (32 << 20), memory.Pointer + (40 << 20), memory.Pointer + (48 << 20));
        stream.Fill(memory.Pointer, 0xFF, memory.Bytes);
        DeviceValues.Upload(stream, context, qkv, problem.Qkv);
        DeviceValues.Upload(stream, context, cache, problem.Cache);
        var (of, visible, lengthsAt, counter) = (ints, ints + 8192, ints + 16384, ints + 24576);
        stream.Upload(of, problem.RowSequences.AsSpan());
        stream.Upload(lengthsAt, lengths.AsSpan());
        stream.Upload(counter, [rows]);
        var count = new RowCount(form == "tiles" ? 200 : 20, counter);
        var list = new LaunchList();
        var sizes = $"{Heads}, {Groups}, {width}, {Context}";
        list.Add(new Kernel("place", "prelude cached_attention", 1024,
            "extern \"C\" __global__ void __launch_bounds__(1024) place(const int* s, int* l, int* v, Rows rows) { cache_place_advance(s, l, v, rows); }"), 1, [of, lengthsAt, visible, count]);
        list.Add(new Kernel("append", "prelude cached_attention", 256,
            $"extern \"C\" __global__ void __launch_bounds__(256) append(const element* q, const int* s, const int* v, element* c, Rows rows) {{ cache_append<{sizes}>(q, s, v, c, rows); }}"),
            count.Most, [qkv, of, visible, cache, count]);
        if (form == "split")
        {
            Assert.True(kernel.IsSplit(count));
            var (split, combine) = (kernel.Choose(context, count, Sequences), kernel.ChooseCombine(count));
            list.Add(split.Kernel, split.Blocks, [qkv, of, visible, cache, partials, count]);
            list.Add(combine.Kernel, combine.Blocks, [partials, o, count]);
        }
        else
        {
            var chosen = form == "tiles" ? kernel.Choose(context, count, Sequences) : new ChosenKernel(kernel.Rows, count.Most * Groups, null);
            Assert.Equal(form == "tiles", chosen.Kernel.Families.EndsWith("tiles", StringComparison.Ordinal));
            list.Add(chosen.Kernel, chosen.Blocks, [qkv, of, visible, cache, o, count]);
        }

        context.Load([list]);
        stream.Run(list);
        DeviceValues.Near("o", problem.Output, DeviceValues.Download(stream, context, o, problem.Output.Length), 6e-3);
        var after = new int[Sequences];
        stream.Download(after.AsSpan(), lengthsAt);
        Assert.Equal([.. lengths.Select((length, s) => length + problem.RowSequences.Count(r => r == s))], after);
    }
}
