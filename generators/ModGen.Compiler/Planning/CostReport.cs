using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Planning;

/// <summary>What a declaration costs, known before anything runs.</summary>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="FlopsPerToken">FLOPs of the forward pass a token of a full context; a multiply-add counts 2, causal attention half, elementwise work nothing.</param>
/// <param name="DenseFlopsPerToken">The same with every block dense.</param>
/// <param name="ActivationBytesPerSequence">Bytes of activations a sequence of a training batch.</param>
/// <param name="Layers">One entry a layer.</param>
public sealed record CostReport(
    long Parameters, double FlopsPerToken, double DenseFlopsPerToken, long ActivationBytesPerSequence, EquatableArray<LayerCost> Layers)
{
    /// <summary>Forward FLOPs as a share of the dense model's.</summary>
    public double ShareOfDense => FlopsPerToken / DenseFlopsPerToken;

    internal static CostReport Of(TrainingPlan plan)
    {
        var model = plan.Model;
        var spec = model.Spec;
        var dense = spec with { Blocks = spec.Blocks.Select(_ => BlockSpec.Dense).ToEquatableArray() };
        var layers = model.KindOfLayer.Select((kind, layer) => new LayerCost(
            layer, spec.Blocks[layer].Routing?.Tokens ?? spec.Context, plan.Blocks[kind].Parameters,
            model.Kinds[kind].Training.Graph.Flops / spec.Context));
        return new CostReport(
            ParametersOf(plan), FlopsOf(model), FlopsOf(ModelGraph.Build(dense)), plan.Memory.Total.Words * sizeof(float), layers.ToEquatableArray());
    }

    private static long ParametersOf(TrainingPlan plan)
    {
        var spec = plan.Model.Spec;
        var matrix = (long)spec.Vocabulary * spec.Width;
        return matrix * (spec.TiedHead ? 1 : 2) + spec.Width + plan.Model.KindOfLayer.Sum(kind => plan.Blocks[kind].Parameters);
    }

    private static double FlopsOf(ModelGraph model) =>
        (model.Loss.Graph.Flops + model.KindOfLayer.Sum(kind => model.Kinds[kind].Training.Graph.Flops)) / model.Spec.Context;
}

/// <summary>One layer's share of a <see cref="CostReport"/>.</summary>
/// <param name="Layer">Index from 0.</param>
/// <param name="Tokens">Tokens of a full context that enter.</param>
/// <param name="Parameters">Parameters of the layer.</param>
/// <param name="FlopsPerToken">Forward FLOPs a token of the sequence.</param>
public sealed record LayerCost(int Layer, int Tokens, long Parameters, double FlopsPerToken);
