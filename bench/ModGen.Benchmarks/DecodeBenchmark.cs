using ModGen.Programs;
using ModGen.Specs;

namespace ModGen.Benchmarks;

/// <summary>
/// Decoding of one token at a time at width 512, dense and routed, beside the machine's copy bandwidth. Routing is
/// forced to an eighth of the tokens, each layer's turn shifted, as a trained router at 12.5 % would have it.
/// </summary>
internal static unsafe class DecodeBenchmark
{
    private const int Prompt = 256;
    private const int Tokens = 64;

    public static void Run(Report report)
    {
        using var device = Device.Cpu(report.Threads);
        using var dense = Cpu512.Create(device, seed: 1);
        using var routed = Cpu512Eighth.Create(device, seed: 1);
        using var denseProgram = dense.CreateInferenceProgram(1, Prompt);
        using var routedProgram = routed.CreateInferenceProgram(1, Prompt);
        var routedLayers = routed.Description.Layers.Count(l => l.IsRouted);

        var bandwidth = CopyBytesPerSecond(report);
        // A run is a prompt and the tokens behind it; a run of the prompt alone is taken off.
        var seconds = report.Seconds(
            Report.LeastRounds,
            () => Decode(denseProgram, 0, Prompt, Tokens), () => Decode(denseProgram, 0, Prompt, 0),
            () => Decode(routedProgram, routedLayers, Prompt, Tokens), () => Decode(routedProgram, routedLayers, Prompt, 0));
        var denseSeconds = (seconds[0] - seconds[1]) / Tokens;
        var routedSeconds = (seconds[2] - seconds[3]) / Tokens;

        var weightBytes = sizeof(float) * (Cpu512.Info.Parameters - (long)Cpu512.Vocabulary * Cpu512.Width);
        report.Add("copy", ("gbPerSecond", bandwidth / 1e9));
        report.Add("decode dense", ("us", 1e6 * denseSeconds), ("weightGbPerSecond", weightBytes / denseSeconds / 1e9), ("ofCopy", weightBytes / denseSeconds / bandwidth));
        report.Add("decode 12.5 %", ("us", 1e6 * routedSeconds), ("faster", denseSeconds / routedSeconds));
    }

    private static void Decode(InferenceProgram program, int routedLayers, int prompt, int tokens)
    {
        program.Clear(0);
        Span<float> logits = stackalloc float[Cpu512.Vocabulary];
        var sequences = new int[prompt];
        var text = new int[prompt];
        for (var i = 0; i < prompt; i++)
            text[i] = i * 31 % Cpu512.Vocabulary;
        program.Extend(text, sequences, [], [], 0, Forced(routedLayers, 0, prompt));
        for (var t = 0; t < tokens; t++)
            program.Extend(text.AsSpan(t, 1), sequences.AsSpan(0, 1), [0], logits, 0, Forced(routedLayers, prompt + t, 1));
    }

    private static byte[] Forced(int routedLayers, int start, int rows)
    {
        var forced = new byte[routedLayers * rows];
        for (var layer = 0; layer < routedLayers; layer++)
            for (var row = 0; row < rows; row++)
                forced[layer * rows + row] = (start + row + 2 * layer) % 8 == 0 ? (byte)1 : (byte)0;
        return forced;
    }

    /// <summary>Bytes read plus bytes written a second of a copy far larger than the caches, on as many threads.</summary>
    private static double CopyBytesPerSecond(Report report)
    {
        const int Floats = 64 << 20;
        using var source = new Buffer(Floats);
        using var target = new Buffer(Floats);
        var (from, to, threads) = ((nint)source.Pointer, (nint)target.Pointer, report.Threads);
        var piece = (long)Floats / threads;
        var seconds = report.Seconds(() => Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
            System.Buffer.MemoryCopy((float*)from + i * piece, (float*)to + i * piece, piece * sizeof(float), piece * sizeof(float))))[0];
        return 2.0 * Floats * sizeof(float) / seconds;
    }
}
