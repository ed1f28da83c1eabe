using System.Diagnostics;
using ModGen.Cuda;

namespace ModGen.Benchmarks;

/// <summary>
/// Every kernel of small models once or twice, in as little time as it takes: two steps of training, logits, and eight
/// tokens of two texts. What a checker of memory accesses, under which everything is slow, is run over.
/// </summary>
internal static class DeviceSmoke
{
    private const int Batch = 2, Steps = 2, Tokens = 8;

    private static readonly Dictionary<string, Action<CudaDevice>> Models = new(StringComparer.Ordinal)
    {
        [nameof(Specs.OddSizes)] = Run<Specs.OddSizes>,
        [nameof(Specs.TileSizes)] = Run<Specs.TileSizes>,
        [nameof(Specs.TiedHead)] = Run<Specs.TiedHead>,
        [nameof(Specs.LaneSizes)] = Run<Specs.LaneSizes>,
    };

    /// <summary>Runs the models that are named, or all, in the precision that is named, or both. With "check" it only says whether there is a GPU: 0, or 3.</summary>
    public static int Run(string[] args)
    {
        if (args is ["check"])
            return CudaContext.WhyUnavailable(0) is null ? 0 : 3;
        var precisions = Enum.GetValues<CudaPrecision>().Where(precision => args.Contains(precision.ToString(), StringComparer.OrdinalIgnoreCase)).ToArray();
        string[] models = [.. args.Where(Models.ContainsKey)];
        if (precisions.Length + models.Length < args.Length)
        {
            Console.Error.WriteLine($"smoke takes bfloat16 or float32, and models of {string.Join(", ", Models.Keys)}.");
            return 2;
        }

        if (CudaContext.WhyUnavailable(0) is { } why)
        {
            Console.Error.WriteLine($"CUDA cannot be used: {why}.");
            return 3;
        }

        foreach (var precision in precisions.Length > 0 ? precisions : Enum.GetValues<CudaPrecision>())
        {
            using var device = Device.Cuda(0, precision);
            foreach (var model in models.Length > 0 ? models : [.. Models.Keys])
            {
                var started = Stopwatch.GetTimestamp();
                Models[model](device);
                Console.WriteLine($"smoke: {model}, {device.Name}: {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
            }
        }

        return 0;
    }

    private static void Run<TModel>(CudaDevice device)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        using var model = TModel.Create(device, seed: 1);
        using (var trainer = model.CreateTrainer(Batch, new AdamW(0.01f)))
        {
            for (var step = 0; step < Steps; step++)
                MustBeFinite(trainer.Step(Random<TModel>(step)).Loss);
            MustBeFinite(trainer.Evaluate([Random<TModel>(Steps)]).Loss);
            MustBeFinite(trainer.Logits(Random<TModel>(Steps))[0][0]);
        }

        int[][] prompts = [[1, 2, 3, 4, 5], [6]];
        using var sampler = model.CreateSampler(Batch);
        Sample(sampler, prompts);
        MustBeFinite(sampler.NextLogits(prompts[0])[0][0]);
        // One text has kernels of its own.
        using var alone = model.CreateSampler(1);
        Sample(alone, prompts[..1]);
    }

    private static void Sample<TModel>(Sampler<TModel> sampler, int[][] prompts)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        foreach (var text in sampler.GenerateBatch(prompts, new SamplingOptions(Temperature: 0.9f, TopK: 20, TopP: 0.9f, MaximumTokens: Tokens)))
            if (text.Tokens.Count != Tokens)
                throw new InvalidOperationException($"{typeof(TModel).Name} sampled {text.Tokens.Count} tokens for {Tokens}.");
    }

    private static TokenBatch<TModel> Random<TModel>(int seed)
        where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
    {
        var random = new Random(seed);
        int[] Draw() => [.. Enumerable.Range(0, Batch * TModel.Description.Context).Select(_ => random.Next(TModel.Description.Vocabulary))];
        return new TokenBatch<TModel>(Draw(), Draw());
    }

    private static void MustBeFinite(double value)
    {
        if (!double.IsFinite(value))
            throw new InvalidOperationException($"A result is {value}.");
    }
}
