using System.CommandLine;
using ModGen.Hosting.Output;

namespace ModGen.Hosting.Commands;

/// <summary><c>sample</c>: goes on from a prompt, streaming; or samples several texts at once.</summary>
internal sealed class SampleVerb<TModel> : DeviceVerb<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Option<string?> _prompt = Options.Text("--prompt", "Text to go on from; read from standard input when not given.", "TEXT");
    private readonly Option<int> _tokens = Options.Number("--tokens", "Tokens (bytes) to sample at most.", 400, n => n >= 1, "1 or more");
    private readonly Option<float> _temperature = Options.Number("--temperature", "Divides the logits; 0 always takes the likeliest token.", 0.8f, n => n >= 0 && float.IsFinite(n), "0 or more");
    private readonly Option<int> _topK = Options.Number("--top-k", "Only the k likeliest tokens; 0 for all.", 0, n => n >= 0, "0 or more");
    private readonly Option<float> _topP = Options.Number("--top-p", "Only the likeliest tokens that together reach this probability.", 0.95f, n => n is > 0 and <= 1, "above 0 and at most 1");
    private readonly Option<float> _penalty = Options.Number("--repetition-penalty", "Makes tokens that are in the text already less likely; 1 for none.", 1f, n => n > 0 && float.IsFinite(n), "above 0");
    private readonly Option<string[]> _stop = new("--stop") { Description = "Text that ends the sampling; may be given several times.", HelpName = "TEXT" };
    private readonly Option<int> _count = Options.Number("--count", "Texts to sample, side by side.", 1, n => n is >= 1 and <= 4096, "1 to 4096");
    private readonly Option<bool> _showRouting = Options.Flag("--show-routing", "Show through how many routed blocks each piece of text went.");
    private readonly Option<ulong> _seed = Options.Number("--seed", "Equal seeds draw equal texts.", 1UL, _ => true, "a whole number from 0");

    public SampleVerb()
        : base("sample", "Go on from a prompt with the newest checkpoint.") =>
        AddOptions(_prompt, _tokens, _temperature, _topK, _topP, _penalty, _stop, _count, _showRouting, _seed);

    protected override async Task<int> RunAsync(ParseResult arguments, Device device, VerbOutput output, CancellationToken interruption)
    {
        var options = new SamplingOptions(
            arguments.GetValue(_temperature), arguments.GetValue(_topK), arguments.GetValue(_topP), arguments.GetValue(_penalty), arguments.GetValue(_seed),
            arguments.GetValue(_tokens), arguments.GetValue(_stop));
        var prompt = await ReadPromptAsync(arguments, output, interruption).ConfigureAwait(false);
        var (model, _) = TrainedModel.Load<TModel>(device, CheckpointRoot(arguments), output);
        using (model)
        {
            var texts = arguments.GetValue(_count);
            if (texts == 1)
                await StreamAsync(model, prompt, options, arguments.GetValue(_showRouting), output, interruption).ConfigureAwait(false);
            else
                SampleMany(model, prompt, options, texts, arguments.GetValue(_showRouting), output, interruption);
        }

        return ExitCode.Success;
    }

    private async Task<string> ReadPromptAsync(ParseResult arguments, VerbOutput output, CancellationToken interruption)
    {
        var prompt = arguments.GetValue(_prompt);
        if (prompt is null && output.In is { } input)
            prompt = await input.ReadToEndAsync(interruption).ConfigureAwait(false);
        return string.IsNullOrEmpty(prompt)
            ? throw new AppException("The prompt is empty; give at least one character with --prompt or on standard input.", ExitCode.Usage)
            : prompt;
    }

    private static async Task StreamAsync(
        TModel model, string prompt, SamplingOptions options, bool showRouting, VerbOutput output, CancellationToken interruption)
    {
        using var sampler = model.CreateSampler(batch: 1);
        var writer = TextWriters.Create<TModel>(output, prompt, showRouting);
        await foreach (var token in sampler.GenerateAsync(prompt, options, interruption).ConfigureAwait(false))
            writer.Write(token);
        writer.End();
    }

    private static void SampleMany(TModel model, string prompt, SamplingOptions options, int count, bool showRouting, VerbOutput output, CancellationToken interruption)
    {
        using var sampler = model.CreateSampler(count);
        var texts = sampler.GenerateBatch([.. Enumerable.Repeat(prompt, count)], options, interruption);
        for (var i = 0; i < count; i++)
        {
            output.Emit("text", new { Index = i, prompt, texts[i].Text, Tokens = texts[i].Tokens.Count, texts[i].Finish, Depths = Depths(texts[i]) });
            if (output.IsJson)
                continue;
            output.Out.WriteLine($"--- {i + 1} of {count} ---");
            if (showRouting)
                RoutedText.Of(prompt, texts[i]).Write(output);
            else
                output.Out.WriteLine(prompt + texts[i].Text);
        }

        if (showRouting && !output.IsJson)
            RoutedText.WriteLegend(output, RoutedLayers);
    }

    private static int RoutedLayers => Description.Layers.Count(layer => layer.IsRouted);

    private static int[] Depths(Generation<TModel> text) => [.. Enumerable.Range(0, text.Routing.Length).Select(text.Routing.Depth)];
}
