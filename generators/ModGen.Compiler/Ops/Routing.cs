using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Autodiff;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Ops;

/// <summary>Router scores r = w·x of every row (arXiv 2404.02258, section 3.4). Inputs: x (…, D), w (1, D).</summary>
public sealed record RouterScores : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1].Elements == inputs[0].Last, inputs);
        return [inputs[0].WithoutLast()];
    }

    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Elements;

    public override void Gradient(GradientScope scope)
    {
        scope.Contribute(0, new RouterInputGradient(), scope.Upstream, scope.Input(1));
        scope.Contribute(1, new RouterWeightGradient(), scope.Input(0), scope.Upstream);
    }
}

/// <summary>dx = dr · w. Inputs: dr (…), w (1, D).</summary>
public sealed record RouterInputGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) =>
        [inputs[0] with { Extents = inputs[0].Extents.Append(inputs[1].Last).ToEquatableArray() }];

    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Elements * inputs[1].Last;
}

/// <summary>dw = Σ dr · x. Inputs: x (…, D), dr (…).</summary>
public sealed record RouterWeightGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [TensorType.Fixed(1, inputs[0].Last)];

    public override double Flops(IReadOnlyList<TensorType> inputs) => 2.0 * inputs[0].Elements;
}

/// <summary>
/// Scores drawn at random, the paper's stochastic control: uniform in [−offset, 1 − offset), a pure function of the
/// step's draw, the layer and the row. With offset = 1 − capacity a score is positive with the probability of the
/// capacity, which is what causal sampling asks. Input: positions (…).
/// </summary>
public sealed record RandomScores(double Offset) : Op, IStopsGradient
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) =>
        [inputs.Single() with { Element = ElementType.Float32 }];
}

/// <summary>
/// Positions of the k largest scores of a sequence, ascending; ties go to the earlier position. A selection: no gradient.
/// </summary>
public sealed record TopK(int Count) : Op, IStopsGradient
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Single() is { Leading: LeadingExtent.Batch, Extents.Count: 1 } scores && scores.Last >= Count, inputs);
        return [TensorType.BatchedIntegers(Count)];
    }
}

/// <summary>The gate g(r) of the selected tokens. Inputs: scores (T), indices (k).</summary>
public sealed record Gate(GateKind Kind) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1].Element == ElementType.Int32, inputs);
        return [inputs[1] with { Element = ElementType.Float32 }];
    }

    public override void Gradient(GradientScope scope) => scope.Contribute(
        0, new GateGradient(Kind, scope.Input(0).Type), scope.Output(0), scope.Upstream, scope.Input(1));
}

/// <summary>Gradient of the scores, zero where not selected. Inputs: gates (k), dgates (k), indices (k).</summary>
public sealed record GateGradient(GateKind Kind, TensorType Scores) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 3 && inputs[0] == inputs[1], inputs);
        return [Scores];
    }
}

/// <summary>
/// Mean binary cross-entropy of σ(logits) against membership in the selection (arXiv 2404.02258, section 3.5).
/// Inputs: logits (T) or (T, 1), indices (k).
/// </summary>
public sealed record RoutingLoss : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 2 && inputs[1].Element == ElementType.Int32, inputs);
        return [TensorType.Scalar];
    }

    public override void Gradient(GradientScope scope) =>
        scope.Contribute(0, new RoutingLossGradient(), scope.Input(0), scope.Input(1), scope.Upstream);
}

/// <summary>(σ(logits) − member) · dloss / rows. Inputs: logits, indices, dloss.</summary>
public sealed record RoutingLossGradient : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs) => [inputs[0]];
}

/// <summary>
/// Gradient of the scores of selected tokens: the gate's, and the routing loss's where scores have one. Inputs: gates (k), dgates (k),
/// indices (k), and with a loss scores (T), dloss.
/// </summary>
public sealed record EnteredScoresGradient(GateKind Kind) : Op
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count is 3 or 5 && inputs[0] == inputs[1] && inputs[2].Elements == inputs[0].Elements, inputs);
        return [inputs[0]];
    }
}

/// <summary>
/// Rows that enter a routed block when sampling: those whose logit is above zero, a probability above one half.
/// Inputs: logits (rows), positions (rows), sequences (rows). Results, all over the active rows: indices, positions, sequences.
/// </summary>
public sealed record CausalSelect : Op, IStopsGradient
{
    public override IReadOnlyList<TensorType> Infer(IReadOnlyList<TensorType> inputs)
    {
        Require(inputs.Count == 3, inputs);
        var active = new TensorType(ElementType.Int32, LeadingExtent.Active, EquatableArray<int>.Empty);
        return [active, active, active];
    }
}
