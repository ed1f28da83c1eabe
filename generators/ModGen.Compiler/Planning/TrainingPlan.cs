using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>
/// The training program: its sections, its loops over layers, and the layout of its memory. Offsets of activations are
/// elements of one sequence: at batch B a buffer lies at fixed + B · offset.
/// </summary>
/// <param name="Model">The unplanned model.</param>
/// <param name="Embedding">Tokens to stream, and back.</param>
/// <param name="Blocks">One plan a kind of block, as in <see cref="ModelGraph.Kinds"/>.</param>
/// <param name="LossAndGradient">Head and loss with their backward pass.</param>
/// <param name="Loss">Head and loss alone.</param>
/// <param name="Logits">The head alone.</param>
/// <param name="Segments">The loops.</param>
/// <param name="Memory">Where activations lie.</param>
/// <param name="Parameters">Where parameters lie.</param>
public sealed record TrainingPlan(
    ModelGraph Model,
    SectionPlan Embedding,
    IReadOnlyList<SectionPlan> Blocks,
    SectionPlan LossAndGradient,
    SectionPlan Loss,
    SectionPlan Logits,
    EquatableArray<LayerSegment> Segments,
    ActivationLayout Memory,
    ParameterLayout Parameters)
{
    /// <summary>
    /// True when a layer may make the first norm of the layer above: with its router's scores, of which the norm of rows that pass by is a
    /// by-product, and again for the rows that enter, when they return.
    /// </summary>
    public bool NormsForTheLayerAbove(int layer) =>
        layer >= 0 && layer + 1 < Model.KindOfLayer.Count && BlockOf(layer).ScoresOfStream is not null && BlockOf(layer + 1).FirstNorm is not null;

    /// <summary>The plan of a layer's kind.</summary>
    public SectionPlan BlockOf(int layer) => Blocks[Model.KindOfLayer[layer]];

    /// <summary>Plans <paramref name="model"/> for the back end with the given table.</summary>
    public static TrainingPlan Create(ModelGraph model, BackEnd backEnd)
    {
        var places = TrainingPlaces.Of(model, backEnd);
        var embedding = SectionPlanner.PlanTraining(model.Embedding, backEnd);
        var blocks = model.Kinds.Select((kind, i) => SectionPlanner.PlanTraining(kind.Training, backEnd, places.Blocks[i])).ToList();
        var gradient = SectionPlanner.PlanTraining(model.Loss, backEnd, places.Head);
        var loss = SectionPlanner.Plan(model.Loss, backEnd, StreamUse.Layered);
        var logits = SectionPlanner.Plan(model.Logits, backEnd, StreamUse.Layered);
        SectionPlan[] all = [embedding, .. blocks, gradient, loss, logits];
        var plan = new TrainingPlan(
            model, embedding, blocks, gradient, loss, logits, LayerSegments.Of(model.KindOfLayer),
            ActivationLayout.Create(model, blocks, all.Select(s => s.Scratch).Aggregate(Footprint.Max)),
            ParameterLayout.Create(model, blocks.Select(b => b.ParameterExtent).ToList()));
        TrainingPlanVerifier.Verify(plan);
        return plan;
    }
}

/// <summary>Where the activations of one sequence lie, in elements.</summary>
/// <param name="Streams">Residual stream before each layer, and behind the last. A layer that updates it in place has one for both.</param>
/// <param name="StreamStep">Elements of one residual stream.</param>
/// <param name="StreamGradient">Gradient of the residual stream; that of operands, where sections hand its rounding on, starts at 0.</param>
/// <param name="Scratch">Scratch shared by all passes, words and operands.</param>
/// <param name="Saved">For each layer, what it keeps for its backward pass.</param>
/// <param name="Total">Elements a sequence in all.</param>
public sealed record ActivationLayout(
    EquatableArray<long> Streams, long StreamStep, long StreamGradient, Footprint Scratch, EquatableArray<Footprint> Saved, Footprint Total)
{
    /// <summary>True when the stream before layer i lies i steps behind the first, for all i.</summary>
    public bool HasStreamForEveryLayer => Streams[Streams.Count - 1] == (Streams.Count - 1) * StreamStep;

    internal static ActivationLayout Create(ModelGraph model, IReadOnlyList<SectionPlan> blocks, Footprint scratch)
    {
        var step = Storage.Align((long)model.Spec.Context * model.Spec.Width);
        var streams = new List<long> { 0 };
        foreach (var kind in model.KindOfLayer)
            streams.Add(streams[streams.Count - 1] + (blocks[kind].UpdatesInPlace ? 0 : step));
        var gradient = streams[streams.Count - 1] + step;
        var scratchAt = new Footprint(gradient + step, blocks.Any(b => b.Rounded.In is not null) ? step : 0);
        var saved = new List<Footprint>();
        var end = scratchAt + scratch;
        foreach (var kind in model.KindOfLayer)
        {
            saved.Add(end);
            end += blocks[kind].Saved;
        }

        return new ActivationLayout(streams.ToEquatableArray(), step, gradient, scratchAt, saved.ToEquatableArray(), end);
    }
}

/// <summary>Where the parameters of each section start in the parameter arena: on cache lines.</summary>
/// <param name="Embedding">The embedding's.</param>
/// <param name="Layers">Each layer's.</param>
/// <param name="FinalGain">The final norm's gain.</param>
/// <param name="Head">The head's matrix: the embedding's when tied.</param>
public sealed record ParameterLayout(long Embedding, EquatableArray<long> Layers, long FinalGain, long Head)
{
    internal static ParameterLayout Create(ModelGraph model, IReadOnlyList<long> blockElements)
    {
        var spec = model.Spec;
        var matrix = (long)spec.Vocabulary * spec.Width;
        var layers = new List<long>();
        var end = matrix;
        foreach (var kind in model.KindOfLayer)
        {
            layers.Add(Storage.Align(end));
            end = Storage.Align(end) + blockElements[kind];
        }

        var gain = Storage.Align(end);
        var head = spec.TiedHead ? 0 : Storage.Align(gain + spec.Width);
        return new ParameterLayout(0, layers.ToEquatableArray(), gain, head);
    }
}
