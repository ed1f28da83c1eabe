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
    private const int MostRows = 1024;
    private readonly TModel _model;
    private readonly TrainingProgram _training;
    private readonly InferenceProgram _inference;
    private readonly int[] _rows;
    private readonly int[] _slots;
    private readonly float[] _logits;

    internal CausalEvaluator(TModel model, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        var description = model.Description;
        var piece = Math.Clamp(LogitsAtOnce / description.Vocabulary, 1, MostRows);
        _model = model;
        Batch = batch;
        _training = model.CreateTrainingProgram(batch);
        // A piece touches so many sequences at most: one that it ends, those that it holds whole, one that it begins.
        try
        {
            _inference = model.CreateInferenceProgram(sequences: piece / description.Context + 2, piece);
        }
        catch
        {
            _training.Dispose();
            throw;
        }

        _rows = [.. Enumerable.Range(0, piece)];
        _slots = new int[piece];
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
            EvaluateCausally(batch, tally);
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

    /// <summary>Runs the batch's sequences one after the other, in pieces of rows that do not stop at a sequence's end.</summary>
    private void EvaluateCausally(TokenBatch<TModel> batch, RoutingTally<TModel> tally)
    {
        var context = _model.Description.Context;
        var sequences = new RoutingExample<TModel>[batch.Sequences];
        for (var row = 0; row < sequences.Length; row++)
        {
            sequences[row] = RoutingTally<TModel>.Begin(batch.Tokens.Slice(row * context, context));
            foreach (var layer in tally.Layers)
            {
                var selected = _training.Selected(layer);
                foreach (var position in selected.Slice(row * (selected.Length / Batch), selected.Length / Batch))
                    sequences[row].TopK.Set(layer, position, entered: true);
            }
        }

        var rows = batch.Sequences * context;
        for (var start = 0; start < rows; start += _rows.Length)
            tally.CausalLoss += EvaluatePiece(batch, start, Math.Min(_rows.Length, rows - start), sequences);
        foreach (var sequence in sequences)
            tally.End(sequence);
    }

    /// <summary>Extends the sequences by a piece; returns the sum of its cross-entropies.</summary>
    private double EvaluatePiece(TokenBatch<TModel> batch, int start, int count, RoutingExample<TModel>[] sequences)
    {
        var (context, vocabulary) = (_model.Description.Context, _model.Description.Vocabulary);
        for (var i = 0; i < count; i++)
        {
            var (sequence, position) = Math.DivRem(start + i, context);
            _slots[i] = sequence % _inference.Sequences;
            if (position == 0)
                _inference.Clear(_slots[i]);
        }

        _inference.Extend(
            batch.Tokens.Slice(start, count), _slots.AsSpan(0, count), _rows.AsSpan(0, count), _logits.AsSpan(0, count * vocabulary), CounterRandom.Hash(1, (ulong)batch.Position));
        foreach (var layer in sequences[0].Causal.RoutedLayers)
        {
            var entered = _inference.Entered(layer);
            for (var i = 0; i < count; i++)
                sequences[(start + i) / context].Causal.Set(layer, (start + i) % context, entered[i] != 0);
        }

        var sum = 0.0;
        for (var i = 0; i < count; i++)
            if (batch.Targets[start + i] >= 0)
                sum += LogProbability.CrossEntropy(_logits.AsSpan(i * vocabulary, vocabulary), batch.Targets[start + i]);
        return sum;
    }
}
