using ModGen.Compiler.Graph;

namespace ModGen.Oracle;

/// <summary>A value of a graph in float64; whole numbers stand for integers.</summary>
public sealed class Tensor
{
    /// <summary>Wraps values; the leading extent follows from their number.</summary>
    public Tensor(TensorType type, double[] values)
    {
        Type = type;
        Values = values;
        Leading = (int)(values.Length / type.Elements);
        if (Leading * type.Elements != values.Length || (!type.GrowsWithBatch && Leading != 1))
            throw new ArgumentException($"{values.Length} values do not make a tensor of type {type}.", nameof(values));
    }

    public TensorType Type { get; }

    /// <summary>The late-bound extent; 1 where there is none.</summary>
    public int Leading { get; }

    /// <summary>Row-major.</summary>
    public double[] Values { get; }

    /// <summary>The innermost extent; 1 for a column of scalars.</summary>
    public int Width => Type.Extents.Count == 0 ? 1 : Type.Last;

    /// <summary>Everything but the innermost extent.</summary>
    public int Rows => Values.Length / Width;

    /// <summary>Elements of one unit of the leading extent: of one sequence.</summary>
    public int Stride => (int)Type.Elements;

    public double this[int row, int column] => Values[row * Width + column];

    /// <summary>A value that is an integer.</summary>
    public int Integer(int index) => checked((int)Values[index]);

    public ReadOnlySpan<double> Row(int row) => Values.AsSpan(row * Width, Width);

    public static Tensor Integers(TensorType type, ReadOnlySpan<int> values)
    {
        var wide = new double[values.Length];
        for (var i = 0; i < wide.Length; i++)
            wide[i] = values[i];
        return new Tensor(type, wide);
    }
}
