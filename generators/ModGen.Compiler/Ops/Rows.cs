using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Ops;

/// <summary>The rows of x (T, D) at indices (k): (k, D). Inputs: x, indices.</summary>
public sealed record GatherRows : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1].Element == ElementType.Int32, inputs);
        return [new TensorType(inputs[0].Element, inputs[1].Leading, inputs[1].Extents.Append(inputs[0].Last).ToEquatableArray())];
    }

    public override void Gradient(GradientScope scope) =>
        scope.Contribute(0, new ScatterRows(scope.Input(0).Type), scope.Upstream, scope.Input(1));
}

/// <summary>Zeros of the given type with the rows y placed at indices. Inputs: y (k, D), indices (k).</summary>
public sealed record ScatterRows(TensorType Into) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0].Last == Into.Last, inputs);
        return [Into];
    }
}

/// <summary>x with the rows y added at indices. Inputs: x (T, D), indices (k), y (k, D).</summary>
public sealed record ScatterAddRows : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 3 && inputs[0].Last == inputs[2].Last && inputs[1].Elements == inputs[2].Rows, inputs);
        return [inputs[0]];
    }

    public override void Gradient(GradientScope scope)
    {
        scope.Contribute(0, scope.Upstream);
        scope.Contribute(2, new GatherRows(), scope.Upstream, scope.Input(1));
    }
}

/// <summary>
/// The rounding of x where that of all rows but those at indices is there already: y, with the rows of x at indices rounded into it.
/// Inputs: x (T, D), y (T, D), indices (k).
/// </summary>
public sealed record NarrowRows : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 3 && inputs[0] == inputs[1] && inputs[2].Element == ElementType.Int32, inputs);
        return [inputs[0]];
    }
}

/// <summary>Row i of y times gate i. Inputs: y (k, D), gates (k).</summary>
public sealed record ScaleRows : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1] == inputs[0].WithoutLast(), inputs);
        return [inputs[0]];
    }

    public override void Gradient(GradientScope scope)
    {
        scope.Contribute(0, new ScaleRows(), scope.Upstream, scope.Input(1));
        scope.Contribute(1, new RowDot(), scope.Upstream, scope.Input(0));
    }
}

/// <summary>The inner product of row i of a with row i of b: (k).</summary>
public sealed record RowDot : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[0] == inputs[1], inputs);
        return [inputs[0].WithoutLast()];
    }
}
