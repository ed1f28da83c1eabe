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

/// <summary>The parameters of a model in arena order, without overlap; a few elements between them are unused and stay zero.</summary>
public sealed class ParameterTable
{
    private const int CacheLine = 64 / sizeof(float);
    private readonly List<Parameter> _parameters = [];
    private long _end;

    /// <summary>In arena order.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>The parameter of a name.</summary>
    /// <param name="name">Its name in a weights file, such as <c>model.embed_tokens.weight</c>.</param>
    /// <exception cref="KeyNotFoundException">There is none such.</exception>
    public Parameter this[string name] =>
        _parameters.Find(parameter => parameter.Name == name) ?? throw new KeyNotFoundException($"There is no parameter {name}; the first of {_parameters.Count} is {_parameters.FirstOrDefault()?.Name}.");

    /// <summary>Elements of the arena that holds them: whole cache lines.</summary>
    public long Length => Aligned(_end);

    /// <summary>Adds a tensor on the next cache line. Generated code calls this while it loops over its layers.</summary>
    /// <param name="name">Name in a weights file.</param>
    /// <param name="shape">Its shape, outermost first.</param>
    /// <param name="initialization">How it starts.</param>
    /// <param name="deviation">Standard deviation of a normal start.</param>
    /// <param name="decays">True when weight decay applies.</param>
    /// <param name="joined">True for a tensor right behind the last one: the two are one matrix to the kernels.</param>
    public ParameterTable Add(string name, int[] shape, Initialization initialization, float deviation = 0, bool decays = false, bool joined = false)
    {
        var parameter = new Parameter(name, shape, joined ? _end : Aligned(_end), initialization, deviation, decays);
        _parameters.Add(parameter);
        _end = parameter.Offset + parameter.Length;
        return this;
    }

    private static long Aligned(long offset) => (offset + CacheLine - 1) / CacheLine * CacheLine;
}
