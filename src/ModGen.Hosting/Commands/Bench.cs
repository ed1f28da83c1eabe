using System.Diagnostics;
using ModGen.Programs;

namespace ModGen.Hosting.Commands;

/// <summary>The measurements of <c>bench</c>.</summary>
internal sealed class Bench<TModel>(TimeSpan time, ulong seed, bool timesLaunches, CancellationToken interruption)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private const int WarmUpSteps = 3, Repeats = 9, PrefillRows = 256, StepsAtPosition = 64;

    private static ModelDescription Description => TModel.Description;

    /// <summary>Whole training steps, each begun before the losses of the last are waited for, as a run makes them.</summary>
    public TrainingSpeed Train(TModel model, int batch)
    {
        using var trainer = model.CreateTrainer(batch, new AdamW(LearningRate: 1e-4f));
        var tokens = new TokenBatch<TModel>(Draw(batch * Description.Context, seed), Draw(batch * Description.Context, seed + 1));
        for (var i = 0; i < WarmUpSteps; i++)
            trainer.Step(tokens);
        var step = trainer.Begin(tokens);
        var seconds = Measure(() =>
        {
            var next = trainer.Begin(tokens);
            var result = step.Wait();
            step = next;
            return result.Elapsed.TotalSeconds;
        });
        step.Wait();
        var (median, perStep) = (Median(seconds), batch * Description.Context);
        var bytes = (model.Device as CudaDevice)?.Context.AllocatedBytes ?? 0;
        return new TrainingSpeed(
            batch, seconds.Count, median, 1 / median, perStep / median, 3 * Description.FlopsPerToken * perStep / median, bytes,
            timesLaunches ? trainer.Program.TimeLaunches(Repeats) : []);
    }

    /// <summary>Whole texts, sampled to the full context.</summary>
    public DecodingSpeed Decode(TModel model, int texts)
    {
        using var sampler = model.CreateSampler(texts);
        var prompts = Enumerable.Repeat("<", texts).ToArray();
        var options = new SamplingOptions(Temperature: 1);
        sampler.GenerateBatch(prompts, options with { MaximumTokens = Math.Min(16, Description.Context - 1) }, interruption);
        var shares = new List<double>();
        var draw = 0UL;
        var rates = Measure(() =>
        {
            var results = sampler.GenerateBatch(prompts, options with { Seed = draw++ }, interruption);
            shares.AddRange(results.SelectMany(text => text.Routing.RoutedLayers.Select(text.Routing.Share)));
            return results.Sum(text => text.Tokens.Count) / results.Max(text => text.Decode.TotalSeconds);
        });
        return new DecodingSpeed(texts, rates.Count, Median(rates), shares.Count == 0 ? 1 : shares.Average());
    }

    /// <summary>Single decoding steps of texts that hold so many random tokens, the likeliest token chosen in each.</summary>
    public StepSpeed DecodeStep(TModel model, int texts, int position, double? share)
    {
        using var program = model.CreateInferenceProgram(texts, Math.Max(texts, Math.Min(PrefillRows, Description.Context)));
        int[] slots = [.. Enumerable.Range(0, texts)];
        var tokens = Draw(texts, seed);
        var step = Step(program, tokens, slots);
        var last = Math.Min(Description.Context, position + StepsAtPosition);
        Prefill(program, slots, position, share);
        var (seconds, entered) = (new List<double>(), new List<double>());
        var routed = Description.Layers.Where(layer => layer.IsRouted).Select(layer => layer.Index).ToArray();
        for (var started = Stopwatch.GetTimestamp(); seconds.Count == 0 || Stopwatch.GetElapsedTime(started) < time;)
        {
            interruption.ThrowIfCancellationRequested();
            if (program.Length(0) == last)
                Prefill(program, slots, position, share);
            var forced = Decisions(share, program.Length(0), texts);
            var begun = Stopwatch.GetTimestamp();
            step(forced);
            seconds.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
            entered.AddRange(routed.Select(layer => program.Entered(layer).Count((byte)1) / (double)texts));
        }

        var enteredShare = entered.Count == 0 ? 1 : entered.Average();
        if (!timesLaunches)
            return new StepSpeed(texts, position, seconds.Count, Median(seconds), enteredShare, share, []);
        Prefill(program, slots, position, share);
        step(Decisions(share, position, texts));
        return new StepSpeed(texts, position, seconds.Count, Median(seconds), enteredShare, share, program.TimeLaunches(Repeats));
    }

    /// <summary>One step of all texts: on a GPU it gives back tokens; on the CPU logits, of which the host would take the largest.</summary>
    private static Action<byte[]> Step(InferenceProgram program, int[] tokens, int[] slots)
    {
        if (!program.Samples)
        {
            var logits = new float[slots.Length * Description.Vocabulary];
            return forced => program.Extend(tokens, slots, slots, logits, draw: 0, forced);
        }

        var chosen = new int[slots.Length];
        return forced => program.ExtendAndChoose(tokens, slots, slots, chosen, draw: 0, forced);
    }

    /// <summary>(routed layers, rows) decisions that let a share of the tokens in, evenly over rows, layers in turn; none for the routers' own.</summary>
    private static byte[] Decisions(double? share, int first, int rows)
    {
        if (share is not { } part)
            return [];
        var layers = Description.Layers.Count(layer => layer.IsRouted);
        var decisions = new byte[layers * rows];
        for (var layer = 0; layer < layers; layer++)
        {
            for (var row = 0; row < rows; row++)
            {
                var token = first + row + layer;
                decisions[layer * rows + row] = Math.Floor((token + 1) * part) > Math.Floor(token * part) ? (byte)1 : (byte)0;
            }
        }

        return decisions;
    }

    private void Prefill(InferenceProgram program, int[] slots, int position, double? share)
    {
        foreach (var slot in slots)
        {
            program.Clear(slot);
            if (program.Samples)
                program.Begin(slot, [], new SamplingOptions(Temperature: 0), row: slot);
            var tokens = Draw(position, seed + (ulong)slot);
            for (var start = 0; start < position; start += program.MaximumRows)
            {
                var rows = Math.Min(program.MaximumRows, position - start);
                program.Extend(tokens.AsSpan(start, rows), Enumerable.Repeat(slot, rows).ToArray(), [], [], draw: 0, Decisions(share, start + slot, rows));
            }
        }
    }

    private List<double> Measure(Func<double> once)
    {
        var values = new List<double>();
        for (var started = Stopwatch.GetTimestamp(); values.Count == 0 || Stopwatch.GetElapsedTime(started) < time;)
        {
            interruption.ThrowIfCancellationRequested();
            values.Add(once());
        }

        return values;
    }

    private static int[] Draw(int count, ulong seed)
    {
        var random = new Random((int)(seed % int.MaxValue));
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(Description.Vocabulary))];
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}

/// <summary>Speed of training.</summary>
internal sealed record TrainingSpeed(
    int Batch, int Steps, double SecondsPerStep, double StepsPerSecond, double TokensPerSecond, double FlopsPerSecond, long DeviceBytes, IReadOnlyList<LaunchTime> Launches);

/// <summary>Speed of sampling whole texts.</summary>
internal sealed record DecodingSpeed(int Texts, int Runs, double TokensPerSecond, double EnteredShare);

/// <summary>Speed of one decoding step.</summary>
internal sealed record StepSpeed(int Texts, int Position, int Steps, double Seconds, double EnteredShare, double? ForcedShare, IReadOnlyList<LaunchTime> Launches);
