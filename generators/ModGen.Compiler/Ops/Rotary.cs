using System.Collections.Generic;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>
/// Rotary embedding (arXiv 2104.09864), rotate-half convention, on the first <paramref name="Heads"/> heads of each row
/// of x (…, stride): the pair (i, i + width/2) of a head turns by position · base^(−2i/width). Inputs: x, positions (…).
/// </summary>
public sealed record Rotary(int Heads, int HeadWidth, double Base) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Last >= Heads * HeadWidth && inputs[1].Element == ElementType.Int32 && inputs[1].Elements == inputs[0].Rows, inputs);
        return [inputs[0]];
    }

    public override void Gradient(GradientScope scope) =>
        scope.Contribute(0, new RotaryGradient(Heads, HeadWidth, Base), scope.Upstream, scope.Input(1));
}

/// <summary>The rotation by the negative angles.</summary>
public sealed record RotaryGradient(int Heads, int HeadWidth, double Base) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs[0]];
}
