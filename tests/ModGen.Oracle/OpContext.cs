using ModGen.Compiler.Ops;

namespace ModGen.Oracle;

/// <summary>What an operation may need beside its inputs.</summary>
/// <param name="Layer">Index of the layer that runs.</param>
/// <param name="Draw">The step's random number.</param>
public sealed record OpContext(int Layer = 0, ulong Draw = 0)
{
    /// <summary>(B, k) positions that replace those that top-k would select, or null.</summary>
    public int[]? Selected { get; init; }

    /// <summary>(rows) decisions that replace the causal ones, or null.</summary>
    public bool[]? Entered { get; init; }

    /// <summary>True when products and attention read their operands as bfloat16, as a GPU holds them.</summary>
    public bool RoundsOperands { get; init; }

    /// <summary>The layer's cache of every sequence.</summary>
    public CacheEntries[] Caches { get; init; } = [];
}

/// <summary>One sequence's cache of one layer: (G·w) keys and values of its entries, and the positions they came from.</summary>
public sealed record CacheEntries
{
    public List<double[]> Keys { get; } = [];

    public List<double[]> Values { get; } = [];

    public void Append(double[] key, double[] value)
    {
        Keys.Add(key);
        Values.Add(value);
    }
}

/// <summary>An operation that only tests know: it brings its own meaning.</summary>
public interface IMeaningful
{
    double[][] Evaluate(Tensor[] inputs, OpContext context);
}

/// <summary>An operation that the interpreter does not know.</summary>
public sealed class UnknownOpException(Op op) : Exception($"The interpreter does not know {op.Name}.");
