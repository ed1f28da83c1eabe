using System.Collections.Generic;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>
/// y = x · rstd · gain with rstd = 1 / √(mean x² + ε) over the last extent (arXiv 1910.07467). Results: y, rstd.
/// </summary>
public sealed record RmsNorm(double Epsilon) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1].Extents == EquatableArray.Of(inputs[0].Last), inputs);
        return [inputs[0], inputs[0].WithoutLast()];
    }

    public override void Gradient(GradientScope scope) =>
        scope.ContributeAll([0, 1], new RmsNormGradient(), scope.Upstream, scope.Input(0), scope.Input(1), scope.Output(1));
}

/// <summary>With u = dy · gain: dx = rstd · (u − x · rstd² · mean(u · x)), dgain = Σ dy · x · rstd. Inputs: dy, x, gain, rstd.</summary>
public sealed record RmsNormGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 4 && inputs[0] == inputs[1] && inputs[3] == inputs[0].WithoutLast(), inputs);
        return [inputs[0], inputs[2]];
    }
}
