namespace ModGen.Compiler.Graph;

/// <summary>How a parameter starts.</summary>
public enum InitialValue
{
    /// <summary>Zeros.</summary>
    Zeros,

    /// <summary>Ones.</summary>
    Ones,

    /// <summary>Normal with mean zero.</summary>
    Normal,
}

/// <summary>
/// A tensor of parameters as the kernels see it. It can be several tensors of a weights file stacked on their first
/// extent: query, key and value projections are one matrix here and three there.
/// </summary>
/// <param name="Key">Unique in its section: <c>qkv</c>.</param>
/// <param name="Pieces">The file's tensors, in order.</param>
/// <param name="Start">How it starts.</param>
/// <param name="Deviation">Standard deviation of a normal start.</param>
/// <param name="Decays">True when decoupled weight decay applies.</param>
public sealed record ParameterSpec(
    string Key, EquatableArray<ParameterPiece> Pieces, InitialValue Start, double Deviation, bool Decays);

/// <summary>One tensor of a weights file.</summary>
/// <param name="Name">Its name; <c>{layer}</c> stands for the index of the layer.</param>
/// <param name="Extents">Its shape.</param>
public sealed record ParameterPiece(string Name, EquatableArray<int> Extents);
