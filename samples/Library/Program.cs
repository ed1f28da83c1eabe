using Library;
using ModGen;

// The library without a host: train a little, save, load into a second model, sample one text and several at once.
using var device = Device.Default;
Console.WriteLine($"{device.Name}: {device.Reason}.");

using var model = ApiDocs.Create(device, seed: 1);
var corpus = Corpus<ApiDocs>.SdkDocumentation(validationFraction: 0.05, new CorpusOptions { MaximumBytes = 8 << 20 });
var options = new TrainingOptions { Schedule = new LearningRateSchedule(WarmUp: 10, Steps: 120) };
using (var trainer = model.CreateTrainer(batch: 8, new AdamW(LearningRate: 4e-3f), options))
{
    foreach (var batch in corpus.Batches(batch: 8, seed: 1).Take(120))
    {
        var step = trainer.Step(batch);
        if (step.Step % 20 == 0)
            Console.WriteLine($"step {step.Step}: loss {step.Loss:F3}, {step.TokensPerSecond:F0} tokens/s");
    }

    Console.WriteLine($"validation: {trainer.Evaluate(corpus.ValidationBatches(batch: 8, sequences: 32)).Loss:F3} nats a byte");
}

// Safetensors and config.json with the names of Hugging Face's Llama.
var folder = Path.Combine(Path.GetTempPath(), "modgen-library");
WeightsFile.Save(model, folder);
using var copy = ApiDocs.Create(device);
WeightsFile.Load(copy, folder);
Console.WriteLine($"Saved to {folder} and loaded again.");

var sampling = new SamplingOptions(Temperature: 0.7f, TopP: 0.95f, Seed: 1, MaximumTokens: 100);
using var sampler = copy.CreateSampler(batch: 1);
Console.Write("<summary>");
await foreach (var token in sampler.GenerateAsync("<summary>", sampling))
    Console.Write(token.Text);
Console.WriteLine();

// Prompts of different lengths side by side, each stopping for itself.
using var batched = copy.CreateSampler(batch: 2);
foreach (var text in batched.GenerateBatch(["<param name=", "<returns>A"], sampling with { StopTexts = ["\n"] }))
    Console.WriteLine($"{text.Finish} after {text.Tokens.Count} tokens, {text.TokensPerSecond:F0} a second: {text.Text.TrimEnd()}");
