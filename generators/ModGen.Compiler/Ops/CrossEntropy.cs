using System.Collections.Generic;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>Mean over the counted rows of −log softmax(logits)[target], in nats; negative targets do not count. Inputs: logits (…, V), targets (…).</summary>
public sealed record CrossEntropy : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1].Element == ElementType.Int32 && inputs[1].Elements == inputs[0].Rows, inputs);
        return [TensorType.Scalar];
    }

    public override void Gradient(GradientScope scope) =>
        scope.Contribute(0, new CrossEntropyGradient(), scope.Input(0), scope.Input(1), scope.Upstream);
}

/// <summary>(softmax(logits) − one-hot(target)) · dloss / counted rows. Inputs: logits, targets, dloss.</summary>
public sealed record CrossEntropyGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs[0]];
}
