namespace ModGen;

/// <summary>How a parameter's values start.</summary>
public enum Initialization
{
    /// <summary>Zeros.</summary>
    Zeros,

    /// <summary>Ones: the gains of norms.</summary>
    Ones,

    /// <summary>Normal with mean 0 and the parameter's standard deviation.</summary>
    Normal,
}

/// <summary>One named tensor of a model: a row-major range of the parameter arena.</summary>
/// <param name="Name">Name in a weights file.</param>
/// <param name="Shape">Its shape, outermost first.</param>
/// <param name="Offset">First element in the arena.</param>
/// <param name="Initialization">How it starts.</param>
/// <param name="Deviation">Standard deviation of a normal start.</param>
/// <param name="Decays">True when AdamW's decoupled weight decay applies: matrices, not gains or biases.</param>
public sealed record Parameter(
    string Name, IReadOnlyList<int> Shape, long Offset, Initialization Initialization, float Deviation, bool Decays)
{
    /// <summary>Number of elements.</summary>
    public int Length { get; } = Shape.Aggregate(1, (length, extent) => checked(length * extent));
}

/// <summary>The parameters of a model in arena order, without overlap; <see cref="Align"/> leaves a few unused elements between layers.</summary>
public sealed class ParameterTable
{
    private readonly List<Parameter> _parameters = [];

    /// <summary>In arena order.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>Elements of the arena that holds them.</summary>
    public long Length { get; private set; }

    /// <summary>Adds a tensor behind the last one. Generated code calls this while it loops over its layers.</summary>
    public ParameterTable Add(string name, int[] shape, Initialization initialization, float deviation = 0, bool decays = false)
    {
        var parameter = new Parameter(name, shape, Length, initialization, deviation, decays);
        _parameters.Add(parameter);
        Length += parameter.Length;
        return this;
    }

    /// <summary>Lets the next tensor start on a cache line. The elements skipped stay zero.</summary>
    public ParameterTable Align()
    {
        const int CacheLine = 64 / sizeof(float);
        Length = (Length + CacheLine - 1) / CacheLine * CacheLine;
        return this;
    }
}
