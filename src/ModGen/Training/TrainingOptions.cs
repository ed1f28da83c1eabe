namespace ModGen;

/// <summary>How a <see cref="Trainer{TModel}"/> steps, beside its optimizer.</summary>
public sealed record TrainingOptions
{
    /// <summary>
    /// Micro-batches that one step's batch is cut into: their gradients add up, so that memory is that of one. Divides
    /// the batch. 1 when not set.
    /// </summary>
    public int Accumulation { get; init => field = Check.AtLeast(value, 1); } = 1;

    /// <summary>Largest global norm of the gradient; larger ones are scaled down to it. 0 for no clipping.</summary>
    public float ClipNorm { get; init => field = Check.AtLeast(value, 0); } = 1;

    /// <summary>The learning rate over the steps; constant when null.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>Seed of what training draws: the scores of random routing. A checkpoint brings its own.</summary>
    public ulong Seed { get; init; }
}
