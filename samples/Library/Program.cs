using Library;
using ModGen;

using var device = Device.Default;
using var model = ApiDocs.Create(device, seed: 1);
Console.WriteLine($"{device.Name}");
var corpus = Corpus<ApiDocs>.SdkDocumentation();
Console.WriteLine($"{corpus.Length} bytes {corpus.Files}");
using var trainer = model.CreateTrainer(batch: 16, new AdamW(LearningRate: 3e-3f), new TrainingOptions{ Schedule = new(20, 200)});
foreach (var batch in corpus.Batches(batch: 16, seed: 1))
{
    var r = trainer.Step(batch);
    if (r.Step % 10 == 0) Console.WriteLine($"{r.Step} {r.Loss:F3} {r.GradientNorm:F2} {r.TokensPerSecond:F0} tok/s {3*ApiDocs.Info.FlopsPerToken*r.TokensPerSecond/1e9:F1} GF/s");
    if (r.Step == 200) break;
}
using var sampler = model.CreateSampler(batch: 1);
await foreach (var token in sampler.GenerateAsync("<member name=\"", new SamplingOptions(Temperature: 0.8f, TopP: 0.95f)))
    Console.Write(token.Text);

