using System.Runtime.InteropServices;
using System.Text.Json;
using ModGen.Programs;

namespace ModGen.Benchmarks;

/// <summary>
/// Trains a model on real text and leaves behind everything that another implementation needs to do the same and to be
/// compared, tensor by tensor (<c>bench/peers/torch_parity.py</c>):
/// <list type="bullet">
/// <item><c>batches.bin</c>: (steps + 1, batch, context + 1) bytes, the windows that the steps read; the last batch is
/// trained on by nobody.</item>
/// <item><c>initial/model.safetensors</c>, <c>trained/model.safetensors</c>: weights before and after the steps.</item>
/// <item><c>initial.gradients.bin</c>, <c>trained.gradients.bin</c>: the gradient at these weights, on the first and on the last
/// batch, float32, in the order of <c>parameters</c>; <c>….selected.bin</c>: (batch, k) positions of each routed layer, int32.</item>
/// <item><c>parity.json</c>: the model, the settings, the losses.</item>
/// </list>
/// </summary>
internal static class ParityRun<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    public static int Run(ParityOptions options)
    {
        Directory.CreateDirectory(options.Folder);
        var batches = Corpus<TModel>.Open(options.Data!).Batches(options.Batch, seed: 1).Take(options.Steps + 1).ToList();
        WriteBatches(In(options, "batches.bin"), batches);
        using var device = options.Open();
        using var model = TModel.Create(device, seed: 1);
        var points = new List<object> { Point(model, options, "initial", batches[0]) };
        var losses = Train(model, options, batches);
        if (options.Steps > 0)
            points.Add(Point(model, options, "trained", batches[^1]));
        var optimizer = new AdamW(options.LearningRate);
        File.WriteAllText(In(options, "parity.json"), JsonSerializer.Serialize(
            new
            {
                Model = TModel.Description,
                Parameters = model.Parameters.Parameters.Select(p => new { p.Name, p.Shape, p.Decays }),
                Device = device.Name,
                Versions = (device as CudaDevice)?.Context.Versions,
                Precision = options.OnCpu ? "float32" : options.Precision.ToString().ToLowerInvariant(),
                Commit = Report.Commit(),
                options.Steps,
                options.Batch,
                options.WarmUp,
                Optimizer = optimizer,
                ClipNorm = 1,
                Points = points,
                Losses = losses,
            },
            Format));
        return 0;
    }

    private static List<double> Train(TModel model, ParityOptions options, List<TokenBatch<TModel>> batches)
    {
        var losses = new List<double>();
        if (options.Steps == 0)
            return losses;
        var schedule = new LearningRateSchedule(options.WarmUp);
        using var trainer = model.CreateTrainer(options.Batch, new AdamW(options.LearningRate), new TrainingOptions { ClipNorm = 1, Schedule = schedule });
        for (var step = 0; step < options.Steps; step++)
        {
            losses.Add(trainer.Step(batches[step]).Loss);
            if (step % 20 == 19)
                Console.WriteLine($"{TModel.Description.Name} step {step + 1}: {losses[^1]:0.0000}");
        }

        return losses;
    }

    /// <summary>The weights as they are, and what one batch makes of them.</summary>
    private static object Point(TModel model, ParityOptions options, string name, TokenBatch<TModel> batch)
    {
        WeightsFile.Save(model, In(options, name));
        using var program = model.CreateTrainingProgram(options.Batch);
        program.Accumulate(batch.Tokens, batch.Targets, scale: 1, draw: 0);
        using (var file = File.Create(In(options, $"{name}.gradients.bin")))
        {
            foreach (var parameter in model.Parameters.Parameters)
            {
                var values = new float[parameter.Length];
                program.Read(TrainingState.Gradients, parameter.Offset, values);
                file.Write(MemoryMarshal.AsBytes<float>(values));
            }
        }

        var routed = model.Description.Layers.Where(layer => layer.IsRouted).Select(layer => layer.Index).ToList();
        using (var file = File.Create(In(options, $"{name}.selected.bin")))
            foreach (var layer in routed)
                file.Write(MemoryMarshal.AsBytes(program.Selected(layer)));
        return new
        {
            Name = name,
            Loss = (double)program.CrossEntropy,
            AuxiliaryLosses = routed.Select(layer => (double)program.AuxiliaryLoss(layer)).ToArray(),
            PredictorLosses = routed.Select(layer => (double)program.PredictorLoss(layer)).ToArray(),
        };
    }

    /// <summary>A window is its tokens and the last target: targets are the tokens one place on.</summary>
    private static void WriteBatches(string path, List<TokenBatch<TModel>> batches)
    {
        var context = TModel.Description.Context;
        using var file = File.Create(path);
        var window = new byte[context + 1];
        foreach (var batch in batches)
        {
            for (var row = 0; row < batch.Count; row++)
            {
                for (var i = 0; i < context; i++)
                    window[i] = (byte)batch.Tokens[row * context + i];
                window[context] = (byte)batch.Targets[row * context + context - 1];
                file.Write(window);
            }
        }
    }

    private static string In(ParityOptions options, string name) => Path.Combine(options.Folder, name);
}
