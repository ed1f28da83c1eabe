using ModGen.Specs;

namespace ModGen.Benchmarks;

/// <summary>
/// A whole training step of width 512 (8 layers, context 512, batch 8), dense and with every other block at 12.5 %,
/// beside the rate of the machine's best matrix product.
/// </summary>
internal static unsafe class StepBenchmark
{
    private const int Batch = 8;
    private const int Steps = 5;

    public static void Run(Report report)
    {
        var peer = OpenBlas.Kernel is null ? 0 : SgemmFlops(report);
        using var device = Device.Cpu(report.Threads);
        using var dense = Cpu512.Create(device, seed: 1);
        using var routed = Cpu512Eighth.Create(device, seed: 1);
        using var denseTrainer = dense.CreateTrainer(Batch, new AdamW(LearningRate: 1e-4f));
        using var routedTrainer = routed.CreateTrainer(Batch, new AdamW(LearningRate: 1e-4f));
        var denseBatch = RandomBatch<Cpu512>(Cpu512.Context);
        var routedBatch = RandomBatch<Cpu512Eighth>(Cpu512Eighth.Context);
        var seconds = report.Seconds(Steps, () => denseTrainer.Step(denseBatch), () => routedTrainer.Step(routedBatch));

        Add(report, "step dense", Cpu512.Info.FlopsPerToken, seconds[0], peer);
        Add(report, "step 12.5 %", Cpu512Eighth.Info.FlopsPerToken, seconds[1], peer);
        var promised = 1 - Cpu512Eighth.Info.FlopsPerToken / Cpu512.Info.FlopsPerToken;
        report.Add("saving", ("promised", promised), ("realised", 1 - seconds[1] / seconds[0]), ("share", (1 - seconds[1] / seconds[0]) / promised));
    }

    /// <summary>Tokens and targets drawn from a fixed seed: the kernels do the same work on any text.</summary>
    private static TokenBatch<TModel> RandomBatch<TModel>(int context)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var random = new Random(1);
        var text = new byte[Batch * (context + 1)];
        for (var i = 0; i < text.Length; i++)
            text[i] = (byte)random.Next('a', 'z');
        return Corpus<TModel>.OpenText(System.Text.Encoding.ASCII.GetString(text), validationFraction: 0).Batches(Batch, seed: 1).First();
    }

    private static void Add(Report report, string name, double flopsPerToken, double seconds, double peer)
    {
        // The backward pass costs two forward passes, as is the custom to count.
        var tokens = Batch * Cpu512.Context / seconds;
        var flops = 3 * flopsPerToken * tokens;
        report.Add(
            name, ("ms", 1e3 * seconds), ("tokensPerSecond", tokens), ("gflops", flops / 1e9),
            ("openblasGflops", peer / 1e9), ("ratio", peer == 0 ? double.NaN : flops / peer));
    }

    /// <summary>OpenBLAS on the same threads at 2048³.</summary>
    private static double SgemmFlops(Report report)
    {
        const int Size = 2048;
        OpenBlas.Threads(report.Threads);
        using var a = new Buffer(Size * Size);
        using var b = new Buffer(Size * Size);
        using var c = new Buffer(Size * Size);
        var seconds = report.Seconds(() => OpenBlas.Multiply(false, false, Size, Size, Size, a.Pointer, Size, b.Pointer, Size, 0, c.Pointer, Size))[0];
        return 2.0 * Size * Size * Size / seconds;
    }
}
