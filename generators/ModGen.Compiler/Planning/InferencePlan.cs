using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>
/// The inference program: one residual stream that every section updates, and scratch. Offsets are elements of one row.
/// </summary>
/// <param name="Model">The unplanned model.</param>
/// <param name="Embedding">Tokens to stream.</param>
/// <param name="Blocks">One plan a kind of block.</param>
/// <param name="Logits">The head on the wanted rows.</param>
/// <param name="Segments">The loops over layers.</param>
/// <param name="Scratch">Where the words of scratch start: the stream lies before it. Those of operands start at 0.</param>
/// <param name="Total">Elements a row in all.</param>
/// <param name="Parameters">Where parameters lie: as in training.</param>
public sealed record InferencePlan(
    ModelGraph Model,
    SectionPlan Embedding,
    IReadOnlyList<SectionPlan> Blocks,
    SectionPlan Logits,
    EquatableArray<LayerSegment> Segments,
    long Scratch,
    Footprint Total,
    ParameterLayout Parameters)
{
    /// <summary>Plans <paramref name="model"/> for the back end with the given table.</summary>
    public static InferencePlan Create(ModelGraph model, BackEnd backEnd)
    {
        var embedding = SectionPlanner.Plan(model.InferenceEmbedding, backEnd, StreamUse.InPlace);
        var blocks = model.Kinds.Select(k => SectionPlanner.Plan(k.Inference, backEnd, StreamUse.InPlace)).ToList();
        var logits = SectionPlanner.Plan(model.InferenceLogits, backEnd, StreamUse.InPlace);
        foreach (var kind in model.Kinds)
            if (!kind.Inference.Graph.Parameters.Select(p => p.Parameter).SequenceEqual(kind.Training.Graph.Parameters.Select(p => p.Parameter)))
                throw new GraphException($"{kind.Name}: training and inference order their parameters differently.");
        SectionPlan[] all = [embedding, .. blocks, logits];
        var scratch = Storage.Align(model.Spec.Width);
        return new InferencePlan(
            model, embedding, blocks, logits, LayerSegments.Of(model.KindOfLayer), scratch,
            new Footprint(scratch, 0) + all.Select(s => s.Scratch).Aggregate(Footprint.Max),
            ParameterLayout.Create(model, blocks.Select(b => b.ParameterExtent).ToList()));
    }
}
