namespace ModGen;

/// <summary>
/// Declares a partial class as a decoder-only language model: pre-norm blocks of RMSNorm, rotary attention and SwiGLU.
/// The generator writes the rest of the class, and an analyzer checks every rule below while it is typed.
/// </summary>
/// <remarks>A model is a plain top-level class: not static, abstract, generic, nested, file-local or a record, and without a base class.</remarks>
[AttributeUsage(AttributeTargets.Class)]
public sealed class DecoderAttribute : Attribute
{
    /// <summary>Number of token ids, 2 … 16777216; 256 for bytes. Required.</summary>
    public int Vocabulary { get; set; }

    /// <summary>Width of the residual stream, 2 … 65536. Divisible by 2 · <see cref="Heads"/> unless <see cref="HeadWidth"/> is set. Required.</summary>
    public int Width { get; set; }

    /// <summary>Number of blocks, 1 … 1024. Required.</summary>
    public int Layers { get; set; }

    /// <summary>Query heads, 1 … 1024. Required.</summary>
    public int Heads { get; set; }

    /// <summary>Key/value heads of grouped-query attention (arXiv 2305.13245); divides <see cref="Heads"/>, and is equal to it when not set.</summary>
    public int KeyValueHeads { get; set; }

    /// <summary>Width of one head, even, 2 … 65536; <see cref="Width"/> / <see cref="Heads"/> when not set.</summary>
    public int HeadWidth { get; set; }

    /// <summary>Hidden width of the SwiGLU MLP, 1 … 1048576; 8/3 of <see cref="Width"/> rounded up to a multiple of 32 when not set.</summary>
    public int FeedForward { get; set; }

    /// <summary>Positions of a training sequence, and the longest sequence that can be sampled, 2 … 1048576. Required.</summary>
    public int Context { get; set; }

    /// <summary>True to share the embedding's matrix with the head; false when not set.</summary>
    public bool TiedHead { get; set; }

    /// <summary>Base of the rotary embedding (arXiv 2104.09864), above 1 and at most 1e12; 10000 when not set.</summary>
    public double RotaryBase { get; set; } = 10000;

    /// <summary>ε of RMSNorm, 1e-12 … 0.1; 1e-5 when not set.</summary>
    public double NormEpsilon { get; set; } = 1e-5;
}
