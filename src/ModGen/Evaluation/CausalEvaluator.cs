using System.Diagnostics;
using ModGen.Evaluation;
using ModGen.Programs;

namespace ModGen;

/// <summary>
/// Runs sequences through the training pass (top-k routing) and through the sampling pass (causal routing) and
/// compares: losses, and layer by layer the decisions.
/// </summary>
/// <typeparam name="TModel">The model to evaluate.</typeparam>
public sealed class CausalEvaluator<TModel> : IDisposable
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private const int LogitsAtOnce = 1 << 22;
    private readonly TModel _model;
    private readonly TrainingProgram _training;
    private readonly InferenceProgram _inference;
    private readonly int[] _rows;
    private readonly int[] _sequences;
    private readonly float[] _logits;

    internal CausalEvaluator(TModel model, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        var description = model.Description;
        var piece = Math.Clamp(LogitsAtOnce / description.Vocabulary, 1, description.Context);
        _model = model;
        Batch = batch;
        _training = model.CreateTrainingProgram(batch);
        _inference = model.CreateInferenceProgram(sequences: 1, piece);
        _rows = [.. Enumerable.Range(0, piece)];
        _sequences = new int[piece];
        _logits = new float[piece * description.Vocabulary];
    }

    /// <summary>Sequences of the batches that it takes.</summary>
    public int Batch { get; }

    /// <summary>Evaluates batches, such as <see cref="Corpus{TModel}.ValidationBatches"/>.</summary>
    /// <param name="batches">Batches of <see cref="Batch"/> rows; padding is passed over.</param>
    /// <param name="progress">Told the number of sequences done after each batch.</param>
    /// <param name="cancellation">Breaks the evaluation off.</param>
    /// <exception cref="ArgumentException">There is no batch with a target that counts, or one of another size.</exception>
    public EvaluationReport<TModel> Evaluate(
        IEnumerable<TokenBatch<TModel>> batches, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        var started = Stopwatch.GetTimestamp();
        var tally = new RoutingTally<TModel>();
        foreach (var batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            if (batch.Count != Batch)
                throw new ArgumentException($"A batch has {batch.Count} sequences; the evaluator was made for {Batch}.", nameof(batches));
            if (batch.Counted == 0)
                continue;
            _training.Evaluate(batch.Tokens, batch.Targets, CounterRandom.Hash(0, (ulong)batch.Position));
            tally.TopKLoss += batch.Counted * (double)_training.CrossEntropy;
            tally.Tokens += batch.Counted;
            for (var row = 0; row < batch.Sequences; row++)
                EvaluateSequence(batch, row, tally);
            progress?.Report(tally.Sequences);
        }

        if (tally.Tokens == 0)
            throw new ArgumentException("There is nothing to evaluate: no batch has a target that counts.", nameof(batches));
        return tally.Report(Stopwatch.GetElapsedTime(started));
    }

    /// <summary>Frees both programs. The model stays.</summary>
    public void Dispose()
    {
        _training.Dispose();
        _inference.Dispose();
    }

    private void EvaluateSequence(TokenBatch<TModel> batch, int row, RoutingTally<TModel> tally)
    {
        var context = _model.Description.Context;
        var tokens = batch.Tokens.Slice(row * context, context);
        var targets = batch.Targets.Slice(row * context, context);
        tally.Begin(tokens);
        foreach (var layer in tally.Layers)
        {
            var selected = _training.Selected(layer);
            tally.AddTopK(layer, selected.Slice(row * (selected.Length / Batch), selected.Length / Batch));
        }

        _inference.Clear(0);
        for (var start = 0; start < context; start += _rows.Length)
            tally.CausalLoss += EvaluatePiece(tokens, targets, start, (ulong)(batch.Position + row), tally);
        tally.End();
    }

    /// <summary>Extends the sequence by a piece; returns the sum of its cross-entropies.</summary>
    private double EvaluatePiece(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, int start, ulong draw, RoutingTally<TModel> tally)
    {
        var vocabulary = _model.Description.Vocabulary;
        var count = Math.Min(_rows.Length, tokens.Length - start);
        _inference.Extend(tokens.Slice(start, count), _sequences.AsSpan(0, count), _rows.AsSpan(0, count), _logits.AsSpan(0, count * vocabulary), draw);
        foreach (var layer in tally.Layers)
            tally.AddCausal(layer, start, _inference.Entered(layer));
        var sum = 0.0;
        for (var i = 0; i < count; i++)
            if (targets[start + i] >= 0)
                sum += LogProbability.CrossEntropy(_logits.AsSpan(i * vocabulary, vocabulary), targets[start + i]);
        return sum;
    }
}
