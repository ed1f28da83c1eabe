using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>y = x Wᵀ (+ b): x (…, in), W (out, in), b (out).</summary>
public sealed record Linear : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count is 2 or 3 && inputs[1].Extents.Count == 2 && inputs[0].Last == inputs[1].Last, inputs);
        Require(inputs.Count == 2 || inputs[2].Extents == EquatableArray.Of(inputs[1].Extents[0]), inputs);
        return [inputs[0].WithLast(inputs[1].Extents[0])];
    }

    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Rows * inputs[1].Elements;

    public override void Gradient(GradientScope scope)
    {
        scope.Contribute(0, new LinearInputGradient(), scope.Upstream, scope.Input(1));
        scope.Contribute(1, new LinearWeightGradient(), scope.Input(0), scope.Upstream);
        if (scope.Inputs == 3)
            scope.Contribute(2, new BiasGradient(), scope.Upstream);
    }
}

/// <summary>dx = dy W.</summary>
public sealed record LinearInputGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Last == inputs[1].Extents[0], inputs);
        return [inputs[0].WithLast(inputs[1].Last)];
    }

    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Rows * inputs[1].Elements;
}

/// <summary>dW = dyᵀ x.</summary>
public sealed record LinearWeightGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Rows == inputs[1].Rows, inputs);
        return [TensorType.Fixed(inputs[1].Last, inputs[0].Last)];
    }

    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Elements * inputs[1].Last;
}

/// <summary>db = the sum of dy over its rows.</summary>
public sealed record BiasGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [TensorType.Fixed(inputs.Single().Last)];
}
