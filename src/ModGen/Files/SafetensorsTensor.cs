namespace ModGen.Files;

/// <summary>Element types that a safetensors file may hold and that can be read as float32.</summary>
public enum TensorType
{
    /// <summary>IEEE binary32.</summary>
    F32,

    /// <summary>IEEE binary16.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a binary32.</summary>
    BF16,
}

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Shape">Its shape, outermost first; empty for a scalar.</param>
/// <param name="Offset">Its first byte in the file.</param>
/// <param name="Length">Number of elements.</param>
public sealed record SafetensorsTensor(string Name, TensorType Type, IReadOnlyList<long> Shape, long Offset, long Length)
{
    internal int ElementBytes => Type == TensorType.F32 ? 4 : 2;

    internal string ShapeText => $"({string.Join(", ", Shape)})";
}
