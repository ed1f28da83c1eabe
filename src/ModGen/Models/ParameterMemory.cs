namespace ModGen;

/// <summary>
/// The values of a model's parameters, in float32, where its device keeps them. <see cref="ParameterTable"/> says which
/// elements are whose.
/// </summary>
public abstract class ParameterMemory : IDisposable
{
    private protected ParameterMemory(long length) => Length = length;

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>Copies elements out.</summary>
    /// <param name="offset">First element.</param>
    /// <param name="values">Receives as many elements as it holds.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the memory.</exception>
    public abstract void Read(long offset, Span<float> values);

    /// <summary>Overwrites elements.</summary>
    /// <param name="offset">First element.</param>
    /// <param name="values">What they become.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the memory.</exception>
    public abstract void Write(long offset, ReadOnlySpan<float> values);

    /// <summary>The values of one parameter, copied.</summary>
    public float[] Read(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        var values = new float[parameter.Length];
        Read(parameter.Offset, values);
        return values;
    }

    /// <summary>Overwrites one parameter.</summary>
    /// <exception cref="ArgumentException">There are more or fewer values than the parameter has elements.</exception>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (values.Length != parameter.Length)
            throw new ArgumentException($"{values.Length} values were given; {parameter.Name} has {parameter.Length}.", nameof(values));
        Write(parameter.Offset, values);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory.</summary>
    protected abstract void Dispose(bool disposing);

    private protected void CheckRange(long offset, int length)
    {
        if ((ulong)offset > (ulong)Length || (ulong)length > (ulong)(Length - offset))
            throw new ArgumentOutOfRangeException(nameof(offset), $"Elements {offset} + {length} leave the parameters' {Length}.");
    }
}

/// <summary>Parameters in this process's own memory: the CPU's.</summary>
internal sealed class HostParameterMemory(long length) : ParameterMemory(length)
{
    /// <summary>The memory itself, for kernels.</summary>
    public Arena Arena { get; } = new(length);

    public override void Read(long offset, Span<float> values) => Arena.Span(offset, values.Length).CopyTo(values);

    public override void Write(long offset, ReadOnlySpan<float> values) => values.CopyTo(Arena.Span(offset, values.Length));

    /// <summary>The arena of a model that lives on the CPU.</summary>
    /// <exception cref="ArgumentException">It lives elsewhere.</exception>
    public static Arena Of(DecoderModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.ThrowIfDisposed();
        return model.Weights is HostParameterMemory host
            ? host.Arena
            : throw new ArgumentException($"The parameters of {model.Description.Name} are on {model.Device.Name}; a program of the CPU needs a model created on the CPU.", nameof(model));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Arena.Dispose();
    }
}
