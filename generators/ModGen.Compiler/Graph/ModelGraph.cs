using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using ModGen.Compiler.Spec;

namespace ModGen.Compiler.Graph;

/// <summary>One kind of block: all layers that share a specification.</summary>
/// <param name="Name">Name in emitted code: <c>DenseBlock</c>, <c>RoutedBlock</c>.</param>
/// <param name="Spec">What its layers share.</param>
/// <param name="Training">Its forward pass over whole sequences.</param>
/// <param name="Inference">Its causal pass over cached sequences.</param>
public sealed record BlockKind(string Name, BlockSpec Spec, Section Training, Section Inference);

/// <summary>
/// The whole model, unfused and unplanned: each distinct section once, and the kind of every layer.
/// </summary>
public sealed record ModelGraph(
    ModelSpec Spec,
    Section Embedding,
    Section Loss,
    Section Logits,
    Section InferenceEmbedding,
    Section InferenceLogits,
    IReadOnlyList<BlockKind> Kinds,
    EquatableArray<int> KindOfLayer)
{
    /// <summary>Builds the graphs of <paramref name="spec"/>.</summary>
    public static ModelGraph Build(ModelSpec spec)
    {
        var specs = spec.Blocks.Distinct().ToList();
        var kinds = specs.Select(b => (Spec: b, Name: NameOf(b, specs)))
            .Select(k => new BlockKind(
                k.Name, k.Spec, TrainingSections.Block(spec, k.Spec, k.Name), InferenceSections.Block(spec, k.Spec, k.Name)))
            .ToList();
        return new ModelGraph(
            spec,
            TrainingSections.Embedding(spec),
            TrainingSections.Loss(spec),
            TrainingSections.Logits(spec),
            InferenceSections.Embedding(spec),
            InferenceSections.Logits(spec),
            kinds,
            spec.Blocks.Select(b => specs.IndexOf(b)).ToEquatableArray());
    }

    /// <summary>The kind of <paramref name="layer"/>.</summary>
    public BlockKind KindOf(int layer) => Kinds[KindOfLayer[layer]];

    private static string NameOf(BlockSpec block, List<BlockSpec> specs)
    {
        if (block.Routing is null)
            return "DenseBlock";
        var routed = specs.Where(s => s.Routing is not null).ToList();
        return routed.Count == 1 ? "RoutedBlock" : "RoutedBlock" + (routed.IndexOf(block) + 1).ToString(CultureInfo.InvariantCulture);
    }
}
