using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>a + b.</summary>
public sealed record Add : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0] == inputs[1], inputs);
        return [inputs[0]];
    }

    public override void Gradient(GradientScope scope)
    {
        scope.Contribute(0, scope.Upstream);
        scope.Contribute(1, scope.Upstream);
    }
}

/// <summary>x as an operand of matrix products: rounded to the precision that the back end multiplies in.</summary>
public sealed record Narrow : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs.Single()];
}

/// <summary>x times a constant of the model.</summary>
public sealed record Scale(double Factor) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs.Single()];

    public override void Gradient(GradientScope scope) => scope.Contribute(0, new Scale(Factor), scope.Upstream);
}

/// <summary>x, through which no gradient flows.</summary>
public sealed record StopGradient : Op, IStopsGradient
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs.Single()];
}

/// <summary>SiLU: x · σ(x).</summary>
public sealed record Silu : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs.Single()];

    public override void Gradient(GradientScope scope) => scope.Contribute(0, new SiluGradient(), scope.Input(0), scope.Upstream);
}

/// <summary>dx of SiLU. Inputs: x, dy.</summary>
public sealed record SiluGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0] == inputs[1], inputs);
        return [inputs[0]];
    }
}

/// <summary>SwiGLU (arXiv 2002.05202): gate · σ(gate) · up, where x (…, 2F) holds the gate and then the up half of each row.</summary>
public sealed record SwiGlu : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Single().Last % 2 == 0, inputs);
        return [inputs[0].WithLast(inputs[0].Last / 2)];
    }

    public override void Gradient(GradientScope scope) => scope.Contribute(0, new SwiGluGradient(), scope.Input(0), scope.Upstream);
}

/// <summary>dx of SwiGLU. Inputs: x (…, 2F), dy (…, F).</summary>
public sealed record SwiGluGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Last == 2 * inputs[1].Last, inputs);
        return [inputs[0]];
    }
}
