namespace ModGen;

/// <summary>
/// Declares a partial class as a decoder-only language model: pre-norm blocks of RMSNorm, rotary attention and SwiGLU.
/// The generator writes the rest of the class.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class DecoderAttribute : Attribute
{
    /// <summary>Number of token ids; 256 for bytes. At least 2. Required.</summary>
    public int Vocabulary { get; set; }

    /// <summary>Width of the residual stream. Divisible by <see cref="Heads"/>. Required.</summary>
    public int Width { get; set; }

    /// <summary>Number of blocks. At least 1. Required.</summary>
    public int Layers { get; set; }

    /// <summary>Query heads. At least 1. Required.</summary>
    public int Heads { get; set; }

    /// <summary>Key/value heads of grouped-query attention; divides <see cref="Heads"/>, and is equal to it when not set.</summary>
    public int KeyValueHeads { get; set; }

    /// <summary>Width of one head, even; <see cref="Width"/> / <see cref="Heads"/> when not set.</summary>
    public int HeadWidth { get; set; }

    /// <summary>Hidden width of the SwiGLU MLP; 8/3 of <see cref="Width"/> rounded up to a multiple of 32 when not set.</summary>
    public int FeedForward { get; set; }

    /// <summary>Positions of a training sequence, and the longest sequence that can be sampled. At least 2. Required.</summary>
    public int Context { get; set; }

    /// <summary>True to share the embedding's matrix with the head.</summary>
    public bool TiedHead { get; set; }

    /// <summary>Base of the rotary embedding (arXiv 2104.09864). 10000 when not set.</summary>
    public double RotaryBase { get; set; } = 10000;

    /// <summary>ε of RMSNorm. 1e-5 when not set.</summary>
    public double NormEpsilon { get; set; } = 1e-5;
}
