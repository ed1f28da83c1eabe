using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit.Cuda;

/// <summary>A section next to the one that launches, for which the launch does something or which has done it.</summary>
/// <param name="Expression">The C# expression of it in the method that launches.</param>
/// <param name="Always">True where it is there in every layer of the kind.</param>
/// <param name="Epsilon">Of norms.</param>
internal sealed record Neighbour(string Expression, bool Always, double Epsilon);

/// <summary>What sections of a training step do for each other on a GPU, layer by layer, and the methods that tell a layer of it.</summary>
internal sealed class CudaNeighbours(TrainingPlan plan)
{
    private ModelGraph Model => plan.Model;

    private IEnumerable<int> Layers => Enumerable.Range(0, Model.Spec.Layers);

    /// <summary>The neighbour of a launch, or null where it has none.</summary>
    public Neighbour? Of(SectionPlan section, Launch launch)
    {
        var isHead = section.Section.StreamOut is null;
        var layers = isHead ? [Model.Spec.Layers] : Layers.Where(layer => plan.BlockOf(layer) == section).ToList();
        if (launch == section.NormOfStream)
            return Where(layers, layer => layer > 0 && plan.BlockOf(layer - 1).Passing is not null, isHead ? "RouterBelow(Layers)" : "RouterBelow(layer)");
        if (isHead)
            return null;
        if (launch == section.FirstNorm)
            return Where(layers, layer => plan.NormsForTheLayerAbove(layer - 1), "IsNormed(layer)");
        return launch == section.ScoresOfStream || (section.ScoresOfStream is not null && launch.Writes.Contains(section.Section.StreamOut!))
            ? Where(layers, plan.NormsForTheLayerAbove, "NormAbove(layer)")
            : null;
    }

    /// <summary>Writes the methods that <see cref="Neighbour.Expression"/> names.</summary>
    public void Write(CodeWriter writer)
    {
        WriteRouterBelow(writer);
        var normed = Layers.Where(plan.NormsForTheLayerAbove).ToList();
        if (normed.Count == 0)
            return;
        writer.Line();
        writer.Line("/// <summary>The first norm of the layer above, where the layer makes it: with its router's scores, and with the return of the rows that entered.</summary>");
        using (writer.Block("private Programs::NormAbove NormAbove(int layer)"))
        {
            foreach (var kind in normed.Select(layer => Model.KindOfLayer[layer + 1]).Distinct())
            {
                using (writer.Block($"if (layer < Layers - 1 && KindOf(layer + 1) == {Literal.Of(kind)})"))
                {
                    writer.Line("var (weights, saved, savedOperands) = (WeightsAt(layer + 1), SavedAt(layer + 1), SavedOperandsAt(layer + 1));");
                    var (section, norm) = (plan.Blocks[kind], plan.Blocks[kind].FirstNorm!);
                    var gain = CudaPlaces.Behind("weights", section.Storage[norm["gain"]].Offset);
                    writer.Line($"return new(true, Weights({gain}), {Saved(section, norm["y"])}, {Saved(section, norm["rstd"])});");
                }

                writer.Line();
            }

            writer.Line("return default;");
        }

        writer.Line();
        writer.Line("/// <summary>True where the layer below has made the layer's first norm.</summary>");
        var below = normed.Select(layer => Model.KindOfLayer[layer]).Distinct().Select(kind => $"KindOf(layer - 1) == {Literal.Of(kind)}").ToList();
        writer.Line($"private static bool IsNormed(int layer) => layer > 0 && {(below.Count == 1 ? below[0] : $"({string.Join(" || ", below)})")};");
    }

    private void WriteRouterBelow(CodeWriter writer)
    {
        if (plan.Blocks.All(b => b.Passing is null))
            return;
        writer.Line();
        writer.Line("/// <summary>The router of the layer below, whose gradient at rows that passed its block by the norm above adds; none where that layer has none.</summary>");
        using (writer.Block("private Programs::PassingRouter RouterBelow(int layer)"))
        {
            for (var kind = 0; kind < plan.Blocks.Count; kind++)
            {
                if (plan.Blocks[kind] is not { Passing: { } router } section)
                    continue;
                using (writer.Block($"if (layer > 0{(plan.Blocks.Count > 1 ? $" && KindOf(layer - 1) == {Literal.Of(kind)}" : "")})"))
                {
                    writer.Line("var (weights, saved) = (WeightsAt(layer - 1), SavedAt(layer - 1));");
                    var weights = CudaPlaces.Behind("weights", section.Storage[router.Router].Offset);
                    writer.Line($"return new({Saved(section, router.Scores)}, {Saved(section, router.Selected)}, {Literal.Of(router.Selected.Type.Extents[0])}, {Literal.Float(router.LossWeight)}, Weights({weights}), Gradients({weights}));");
                }

                writer.Line();
            }

            writer.Line("return default;");
        }
    }

    private Neighbour? Where(List<int> layers, System.Func<int, bool> isThere, string expression) =>
        layers.Count(isThere) is > 0 and var count ? new Neighbour(expression, count == layers.Count, Model.Spec.NormEpsilon) : null;

    private static string Saved(SectionPlan section, Value value)
    {
        var storage = section.Storage[value];
        return CudaPlaces.Activation(storage, value.Type, CudaPlaces.Behind(storage.Precision == Precision.Word ? "saved" : "savedOperands", storage.Offset));
    }
}
