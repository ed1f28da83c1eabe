using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace ModGen;

/// <summary>A step of training that has been begun, by <see cref="Trainer{TModel}.Begin(TokenBatch{TModel})"/>.</summary>
/// <typeparam name="TModel">The model that is trained.</typeparam>
public sealed class PendingStep<TModel>
    where TModel : DecoderModel<TModel>, IDecoderModel<TModel>
{
    private readonly Trainer<TModel> _trainer;
    private StepResult _result;
    private Exception? _error;

    internal PendingStep(Trainer<TModel> trainer) => _trainer = trainer;

    /// <summary>1 for the first step.</summary>
    public long Number { get; private set; }

    /// <summary>Whether what came of it is known: to wait for it takes no time.</summary>
    public bool IsFinished { get; private set; }

    internal IReadOnlyList<TokenBatch<TModel>> Batches { get; private set; } = [];

    internal float LearningRate { get; private set; }

    /// <summary>Targets that count.</summary>
    internal long Tokens { get; private set; }

    /// <summary>The same of each micro-batch that was run.</summary>
    internal List<long> Counts { get; } = [];

    /// <summary><see cref="Trainer{TModel}.DataPosition"/> before it.</summary>
    internal long StartPosition { get; private set; }

    internal long Began { get; private set; }

    /// <summary>
    /// Waits for the step, and says what it did; <see cref="StepResult.Elapsed"/> counts from when it was begun, or the step
    /// before it was waited for. At once when it has been waited for before.
    /// </summary>
    /// <exception cref="TrainingDivergedException">
    /// The loss or the gradient of this step, or of one before it that was not waited for, is not finite. The parameters are as
    /// before that step, and so is the trainer.
    /// </exception>
    public StepResult Wait()
    {
        _trainer.Finish(this);
        if (_error is not null)
            ExceptionDispatchInfo.Throw(_error);
        return _result;
    }

    internal void Begin(IReadOnlyList<TokenBatch<TModel>> batches, long number, float learningRate, long tokens, long startPosition)
    {
        (Batches, Number, LearningRate, Tokens, StartPosition) = (batches, number, learningRate, tokens, startPosition);
        (Began, IsFinished, _error) = (Stopwatch.GetTimestamp(), false, null);
    }

    internal void Complete(StepResult result) => (_result, IsFinished) = (result, true);

    internal void Fail(Exception error) => (_error, IsFinished) = (error, true);
}
