using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>
/// An operation on tensors: its shape rule, its cost and its gradient rule, side by side. Two ops are equal when they
/// compute the same.
/// </summary>
public abstract record Op
{
    /// <summary>Name in messages and listings.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>Types of the results.</summary>
    /// <exception cref="GraphException">The inputs do not fit.</exception>
    public abstract IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs);

    /// <summary>FLOPs of matrix work for one unit of batch; a multiply-add counts 2. Elementwise work is not counted, as is the custom.</summary>
    public virtual double Flops(IReadOnlyList<TensorType> inputs) => 0;

    /// <summary>Adds to <paramref name="scope"/> what the gradient of the results contributes to the gradients of the inputs.</summary>
    public virtual void Gradient(GradientScope scope) => throw new GraphException($"{Name} has no gradient rule.");

    private protected void Require(bool condition, IReadOnlyList<TensorType> inputs)
    {
        if (!condition)
            throw new GraphException($"{Name} does not take ({string.Join(", ", inputs.Select(i => i.ToString()))}).");
    }
}
