namespace ModGen;

/// <summary>
/// Something outside the program is not as it must be: text, files, numbers that left the finite. The message is one
/// line for the user: the value, the rule and the mend.
/// </summary>
public abstract class ModGenException : Exception
{
    /// <summary>Makes one with its line for the user and what caused it.</summary>
    private protected ModGenException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>Text to train on that is missing, unreadable, not text, or too short.</summary>
public sealed class CorpusException : ModGenException
{
    internal CorpusException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>A weights file that is damaged, or that does not belong to the model.</summary>
public sealed class WeightsException : ModGenException
{
    internal WeightsException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>A checkpoint that is damaged, belongs to another declaration, or could not be written.</summary>
public sealed class CheckpointException : ModGenException
{
    internal CheckpointException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>Training left the finite numbers. The parameters are as they were before the step.</summary>
public sealed class TrainingDivergedException : ModGenException
{
    internal TrainingDivergedException(string message, long step, string? tensor)
        : base(message)
    {
        Step = step;
        Tensor = tensor;
    }

    /// <summary>The step that was not taken.</summary>
    public long Step { get; }

    /// <summary>The first parameter whose weight or gradient holds a non-finite value; null when only activations do.</summary>
    public string? Tensor { get; }
}
