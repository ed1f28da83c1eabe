using ModGen.Compiler.Graph;
using ModGen.Programs;

namespace ModGen.Oracle.Tests;

/// <summary>Compares the emitted inference program with the interpreter, and both with the parallel forward pass.</summary>
internal static class CausalComparison
{
    /// <summary>Roundings that are drawn: a few rows of a small model move by anything between a fifth and twice their median (measured over 200 draws).</summary>
    private const int Draws = 16;

    /// <summary>Rows of one call: how many tokens each sequence gets.</summary>
    public static IReadOnlyList<int[]> Ragged { get; } = [[3, 0, 1], [0, 2, 1], [1, 1, 1], [1, 0, 0], [0, 4, 1], [2, 0, 1], [0, 1, 0]];

    /// <summary>Every row decides for itself: decisions, caches and logits are the interpreter's.</summary>
    public static void Check(EmittedModel emitted, ModelGraph reference, int seed = 5, TestDevice? on = null) => Decide(emitted, reference, Ragged, sequences: 3, maximumRows: 8, seed, on);

    /// <summary>The same of one text, token by token: a call of one row has kernels of its own. With this seed about half of the rows enter each of the models, so that rounding leaves some of both.</summary>
    public static void CheckOneText(EmittedModel emitted, ModelGraph reference, int tokens, int seed = 11, TestDevice? on = null) =>
        Decide(emitted, reference, [.. Enumerable.Repeat<int[]>([1], tokens)], sequences: 1, maximumRows: 1, seed, on);

    private static void Decide(EmittedModel emitted, ModelGraph reference, IReadOnlyList<int[]> calls, int sequences, int maximumRows, int seed, TestDevice? on)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed);
        using var model = emitted.Create(parameters, on);
        using var program = model.CreateInferenceProgram(sequences, maximumRows);
        var interpreter = new CausalInterpreter(reference, parameters, sequences);
        var within = (on ?? TestDevice.Cpu).Accuracy.OfDraws;
        CausalInterpreter[] rounded = within.RoundsOperands
            ? [.. Enumerable.Range(1, Draws).Select(draw => new CausalInterpreter(reference, Jittered(parameters, draw, bits: 12), sequences) { RoundsOperands = true })]
            : [];
        var random = new Gaussian(seed);
        var (entered, skipped) = (0, 0);
        foreach (var counts in calls)
        {
            if (Enumerable.Range(0, sequences).Any(s => program.Length(s) + counts[s] > emitted.Spec.Context))
                continue;
            int[] of = [.. Enumerable.Range(0, sequences).SelectMany(s => Enumerable.Repeat(s, counts[s]))];
            var tokens = random.Below(emitted.Spec.Vocabulary, of.Length);
            var actual = Extend(program, emitted, tokens, of, []);
            // Operands of bfloat16 may carry a score over the threshold: there the interpreter follows.
            var decisions = within.RoundsOperands ? Decisions(program, emitted) : null;
            var expected = interpreter.Extend(tokens, of, decisions);
            var shaken = rounded.Select(r => r.Extend(tokens, of, decisions)).MaxBy(r => Distance(r, expected)) ?? expected;
            for (var layer = 0; layer < emitted.Spec.Layers; layer++)
            {
                for (var s = 0; s < sequences; s++)
                    Close.Check(interpreter.CacheLength(layer, s), program.CacheLength(layer, s), 0, $"entries of layer {layer}");
                if (emitted.Spec.Blocks[layer].Routing is null)
                    continue;
                entered += program.Entered(layer).Count((byte)1);
                skipped += program.Entered(layer).Count((byte)0);
            }

            within.Check(expected, actual, within.Value, "logits of causal decisions", () => shaken);
        }

        // A comparison in which every row, or none, enters shows nothing.
        Assert.True(emitted.Spec.Blocks.All(b => b.Routing is null) || (entered > 0 && skipped > 0), $"{entered} rows entered, {skipped} did not.");
    }

    /// <summary>With the parallel pass's selections forced, token by token and in pieces, both compute the parallel logits.</summary>
    public static void CheckAgainstParallel(EmittedModel emitted, ModelGraph reference, int seed = 7, TestDevice? on = null)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed);
        using var model = emitted.Create(parameters, on);
        // Of rounded operands the training step has been compared with the interpreter's.
        var interpreted = (on ?? TestDevice.Cpu).Accuracy.RoundsOperands ? null : reference;
        CheckPieces(emitted, interpreted, parameters, model, on, batch: 1, _ => [1]);
        CheckPieces(emitted, interpreted, parameters, model, on, batch: 1, left => [Math.Min(3, left[0])]);
        CheckPieces(emitted, interpreted, parameters, model, on, batch: 1, left => left);
        // Sequences at different lengths side by side: some wait while others take several.
        var call = 0;
        CheckPieces(emitted, interpreted, parameters, model, on, batch: 3, left => [.. left.Select((n, s) => Math.Min(n, (s + call++) % 4))]);
    }

    /// <summary>The same for models of some size, with pieces of every form that products and attention take: one row, few, many; the interpreter's part is left to the small ones.</summary>
    public static void CheckAgainstParallelInPieces(EmittedModel emitted, int seed = 7, TestDevice? on = null)
    {
        var parameters = ModelParameters.Random(emitted.Graph, seed);
        using var model = emitted.Create(parameters, on);
        foreach (var piece in (int[])[1, 7, 48, int.MaxValue])
            CheckPieces(emitted, null, parameters, model, on, batch: 1, left => [Math.Min(piece, left[0])]);
        var call = 0;
        CheckPieces(emitted, null, parameters, model, on, batch: 3, left => [.. left.Select((n, s) => Math.Min(n, 5 * ((s + call++) % 4)))]);
    }

    private static void CheckPieces(
        EmittedModel emitted, ModelGraph? reference, ModelParameters parameters, DecoderModel model, TestDevice? on, int batch, Func<int[], int[]> pieces)
    {
        var within = (on ?? TestDevice.Cpu).Accuracy;
        var spec = emitted.Spec;
        var input = StepComparison.RandomBatch(emitted.Graph, batch, seed: batch);
        using var training = model.CreateTrainingProgram(batch);
        var parallel = new float[input.Tokens.Length * spec.Vocabulary];
        training.Logits(input.Tokens, parallel, input.Draw);
        var shift = within.RoundsOperands ? new Lazy<double[]>(() => Shift(emitted, parameters, input with { Selected = StepComparison.Selections(emitted, training) })) : null;
        var members = Enumerable.Range(0, spec.Layers).Select(layer => Members(training, layer, spec.Context)).ToList();
        using var program = model.CreateInferenceProgram(batch, spec.Context * batch);
        var interpreter = reference is null ? null : new CausalInterpreter(reference, parameters, batch);
        var calls = new List<(int[] Tokens, int[] Sequences, bool[]?[] Entered)>();
        var done = new int[batch];
        while (done.Any(d => d < spec.Context))
        {
            var counts = pieces([.. done.Select(d => spec.Context - d)]);
            int[] sequences = [.. Enumerable.Range(0, batch).SelectMany(s => Enumerable.Repeat(s, counts[s]))];
            int[] at = [.. Enumerable.Range(0, batch).SelectMany(s => Enumerable.Range(s * spec.Context + done[s], counts[s]))];
            int[] tokens = [.. at.Select(i => input.Tokens[i])];
            bool[]?[] entered = [.. members.Select(m => m is null ? null : Array.ConvertAll(at, i => m[i]))];
            var actual = Extend(program, emitted, tokens, sequences, [.. entered.OfType<bool[]>().SelectMany(e => e).Select(e => e ? (byte)1 : (byte)0)]);
            int[] places = [.. at.SelectMany(i => Enumerable.Range(i * spec.Vocabulary, spec.Vocabulary))];
            var expected = Array.ConvertAll(places, i => (double)parallel[i]);
            within.Check(
                expected, actual, within.Pair, "logits, emitted against parallel", shift is null ? null : () => Array.ConvertAll(places, i => parallel[i] + shift.Value[i]));
            if (interpreter is not null)
            {
                calls.Add((tokens, sequences, entered));
                within.Check(interpreter.Extend(tokens, sequences, entered), Array.ConvertAll(places, i => parallel[i]), within.Value, "logits, parallel against interpreted", Shaken);
            }

            for (var s = 0; s < batch; s++)
            {
                done[s] += counts[s];
                CheckCaches(program, members, s, done[s], spec.Context);
            }
        }

        // What the last call gives when the parameters' last bits are others, all calls before it made again.
        double[] Shaken()
        {
            var shaken = new CausalInterpreter(reference!, Jittered(parameters, draw: 1, bits: 24), batch);
            return calls.ConvertAll(c => shaken.Extend(c.Tokens, c.Sequences, c.Entered))[^1];
        }
    }

    /// <summary>What rounding the operands does to every logit.</summary>
    private static double[] Shift(EmittedModel emitted, ModelParameters parameters, ModelInterpreter.Batch batch)
    {
        var interpreter = new ModelInterpreter(emitted.Graph);
        var (exact, rounded) = (interpreter.Run(parameters, batch).Logits, interpreter.Run(parameters, batch with { RoundsOperands = true }).Logits);
        return [.. rounded.Zip(exact, (a, b) => a - b)];
    }

    /// <summary>The cache of a routed layer holds the tokens that entered and no other.</summary>
    private static void CheckCaches(InferenceProgram program, List<bool[]?> members, int sequence, int length, int context)
    {
        Assert.Equal(length, program.Length(sequence));
        for (var layer = 0; layer < members.Count; layer++)
            Assert.Equal(members[layer]?.AsSpan(sequence * context, length).Count(true) ?? length, program.CacheLength(layer, sequence));
    }

    /// <summary>For every layer, which rows of the last call entered.</summary>
    private static bool[]?[] Decisions(InferenceProgram program, EmittedModel emitted) =>
        [.. emitted.Spec.Blocks.Select((block, layer) => block.Routing is null ? null : Array.ConvertAll(program.Entered(layer).ToArray(), entered => entered != 0))];

    private static bool[]? Members(TrainingProgram program, int layer, int context)
    {
        var selected = program.Selected(layer);
        if (selected.IsEmpty)
            return null;
        var result = new bool[program.Batch * context];
        for (var i = 0; i < selected.Length; i++)
            result[i / (selected.Length / program.Batch) * context + selected[i]] = true;
        return result;
    }

    private static float[] Extend(InferenceProgram program, EmittedModel emitted, int[] tokens, int[] sequences, byte[] forced)
    {
        var logits = new float[tokens.Length * emitted.Spec.Vocabulary];
        Array.Fill(logits, float.NaN);
        program.Extend(tokens, sequences, [.. Enumerable.Range(0, tokens.Length)], logits, draw: 0, forced);
        return logits;
    }

    private static double Distance(double[] a, double[] b) => Close.Norm([.. a.Zip(b, (x, y) => x - y)]);

    /// <summary>Parameters off by about 2 to the power of minus <paramref name="bits"/>, so that they round another way.</summary>
    public static ModelParameters Jittered(ModelParameters parameters, int draw, int bits)
    {
        var random = new Gaussian(draw);
        var jittered = parameters.Copy();
        foreach (var name in jittered.Names)
            for (var i = 0; i < jittered[name].Length; i++)
                jittered[name][i] *= 1 + random.Next() / (1 << bits);
        return jittered;
    }
}
