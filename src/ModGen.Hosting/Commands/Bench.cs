using System.Diagnostics;
using ModGen.Programs;

namespace ModGen.Hosting.Commands;

/// <summary>The measurements of <c>bench</c>.</summary>
internal sealed class Bench<TModel>(TimeSpan time, ulong seed, bool timesLaunches, CancellationToken interruption)
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private const int WarmUpSteps = 3, Repeats = 9, PrefillRows = 256;

    private static ModelDescription Description => TModel.Description;

    /// <summary>Whole training steps, with the wait for their losses.</summary>
    public TrainingSpeed Train(TModel model, int batch)
    {
        using var trainer = model.CreateTrainer(batch, new AdamW(LearningRate: 1e-4f));
        var tokens = new TokenBatch<TModel>(Draw(batch * Description.Context, seed), Draw(batch * Description.Context, seed + 1));
        for (var i = 0; i < WarmUpSteps; i++)
            trainer.Step(tokens);
        var seconds = Measure(() => trainer.Step(tokens).Elapsed.TotalSeconds);
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
        sampler.GenerateBatch(prompts, options with { MaximumTokens = Math.Min(16, Description.Context - 1) });
        var shares = new List<double>();
        var draw = 0UL;
        var rates = Measure(() =>
        {
            var results = sampler.GenerateBatch(prompts, options with { Seed = draw++ });
            shares.AddRange(results.SelectMany(text => text.Routing.RoutedLayers.Select(text.Routing.Share)));
            return results.Sum(text => text.Tokens.Count) / results.Max(text => text.Decode.TotalSeconds);
        });
        return new DecodingSpeed(texts, rates.Count, Median(rates), shares.Count == 0 ? 1 : shares.Average());
    }

    /// <summary>Single decoding steps of texts that hold so many random tokens.</summary>
    public StepSpeed DecodeStep(TModel model, int texts, int position)
    {
        using var program = model.CreateInferenceProgram(texts, Math.Max(texts, Math.Min(PrefillRows, Description.Context)));
        int[] slots = [.. Enumerable.Range(0, texts)];
        var logits = new float[texts * Description.Vocabulary];
        var tokens = Draw(texts, seed);
        Prefill(program, slots, position);
        var seconds = Measure(() =>
        {
            // A text that has grown to the end of the context begins again.
            if (program.Length(0) == Description.Context)
                Prefill(program, slots, position);
            var started = Stopwatch.GetTimestamp();
            program.Extend(tokens, slots, slots, logits, draw: 0);
            return Stopwatch.GetElapsedTime(started).TotalSeconds;
        });
        if (!timesLaunches)
            return new StepSpeed(texts, position, seconds.Count, Median(seconds), []);
        Prefill(program, slots, position);
        program.Extend(tokens, slots, slots, logits, draw: 0);
        return new StepSpeed(texts, position, seconds.Count, Median(seconds), program.TimeLaunches(Repeats));
    }

    private void Prefill(InferenceProgram program, int[] slots, int position)
    {
        foreach (var slot in slots)
        {
            program.Clear(slot);
            var tokens = Draw(position, seed + (ulong)slot);
            for (var start = 0; start < position; start += program.MaximumRows)
            {
                var rows = Math.Min(program.MaximumRows, position - start);
                program.Extend(tokens.AsSpan(start, rows), Enumerable.Repeat(slot, rows).ToArray(), [], [], draw: 0);
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
internal sealed record StepSpeed(int Texts, int Position, int Steps, double Seconds, IReadOnlyList<LaunchTime> Launches);
