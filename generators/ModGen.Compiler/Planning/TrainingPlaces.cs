using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>What the sections of a training step agree on, because one's result is the next one's input.</summary>
/// <param name="Blocks">Each kind of block's part.</param>
/// <param name="Head">The head's.</param>
internal sealed record TrainingPlaces(IReadOnlyList<TrainingPlace> Blocks, TrainingPlace Head)
{
    /// <summary>
    /// A section leaves the gradient of the stream rounded where the section below reads it so: it has the values in registers.
    /// All layers of a kind do what one of them must.
    /// </summary>
    public static TrainingPlaces Of(ModelGraph model, BackEnd backEnd)
    {
        var takes = model.Kinds.Select(k => SectionPlanner.WantsRounding(k.Training, backEnd)).ToList();
        var inPlace = InPlaceKinds(model, backEnd);
        var pairs = Pairs(model).ToList();
        var blocks = model.Kinds.Select((_, kind) => new TrainingPlace(
            InPlace: inPlace.Contains(kind), TakesRounding: takes[kind], LeavesRounding: pairs.Any(p => p.Above == kind && takes[p.Below])));
        return new TrainingPlaces(blocks.ToList(), new TrainingPlace(OnePass: true, LeavesRounding: takes[model.KindOfLayer[model.KindOfLayer.Count - 1]]));
    }

    /// <summary>A block that updates the stream in place reads its result again in its backward pass: the layer above it must leave that alone.</summary>
    private static HashSet<int> InPlaceKinds(ModelGraph model, BackEnd backEnd)
    {
        var chosen = new HashSet<int>();
        for (var kind = 0; kind < model.Kinds.Count; kind++)
        {
            if (!SectionPlanner.CanRouteInPlace(model.Kinds[kind].Training, backEnd))
                continue;
            chosen.Add(kind);
            if (Pairs(model).Any(p => chosen.Contains(p.Below) && chosen.Contains(p.Above)))
                chosen.Remove(kind);
        }

        return chosen;
    }

    private static IEnumerable<(int Below, int Above)> Pairs(ModelGraph model) =>
        model.KindOfLayer.Zip(model.KindOfLayer.Skip(1), (below, above) => (below, above));
}
