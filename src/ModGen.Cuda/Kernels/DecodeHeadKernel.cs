namespace ModGen.Cuda;

/// <summary>The final norm and the vocabulary's logits of a few rows in bfloat16, as one kernel or, for more than eight rows, two.</summary>
/// <param name="Name">Name of the head's shape.</param>
/// <param name="Width">Width of the stream.</param>
/// <param name="Vocabulary">Logits of a row.</param>
public sealed record DecodeHeadKernel(string Name, int Width, int Vocabulary)
{
    /// <summary>(weight, x, gain, normed or null, wanted, logits, rows, epsilon).</summary>
    public required Kernel Logits { get; init; }

    /// <summary>The norm of the wanted rows, where it is apart: (x, wanted, gain, gathered, normed, rows, epsilon).</summary>
    public required Kernel GatheredNorm { get; init; }

    /// <summary>The kernels that there are.</summary>
    public IEnumerable<Kernel> Forms => [Logits, GatheredNorm];

    /// <summary>The kernel of the logits with its grid.</summary>
    public ChosenKernel ChooseLogits(RowCount rows) => DecodeProduct.Choose(Logits, Width, (Vocabulary + 1) / 2, rows);
}
