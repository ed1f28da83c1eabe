using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>What the sections of a training step agree on, because one's result is the next one's input. All layers of a kind do what one of them must.</summary>
/// <param name="Blocks">Each kind of block's part.</param>
/// <param name="Head">The head's.</param>
internal sealed record TrainingPlaces(IReadOnlyList<TrainingPlace> Blocks, TrainingPlace Head)
{
    /// <summary>Settles it for <paramref name="model"/>.</summary>
    public static TrainingPlaces Of(ModelGraph model, BackEnd backEnd)
    {
        var entered = EnteredOnly(model, backEnd);
        var rounded = TakeRounding(model, backEnd, entered);
        var blocks = model.Kinds.Select((_, kind) => new TrainingPlace(
            TakesRounding: rounded.Contains(kind), LeavesRounding: Pairs(model).Any(p => p.Above == kind && rounded.Contains(p.Below)),
            EnteredOnly: entered.Contains(kind)));
        return new TrainingPlaces(blocks.ToList(), new TrainingPlace(OnePass: true, LeavesRounding: rounded.Contains(model.KindOfLayer[model.KindOfLayer.Count - 1])));
    }

    /// <summary>Routed blocks leave rows that pass by alone where their router has nothing for these, or a norm of the section above can add it.</summary>
    private static HashSet<int> EnteredOnly(ModelGraph model, BackEnd backEnd)
    {
        var kinds = new HashSet<int>();
        for (var kind = 0; kind < model.Kinds.Count; kind++)
            if (SectionPlanner.EnteredOnly(model.Kinds[kind].Training, backEnd) is { } form
                && (form.Passing is null || Pairs(model).All(p => p.Below != kind || model.Kinds[p.Above].Spec.Routing is null)))
                kinds.Add(kind);
        return kinds;
    }

    /// <summary>
    /// A section leaves the gradient of the stream rounded where the section below reads it so: it has the values in registers.
    /// Where a block touches few of the rows, it comes to it rounded and goes on so.
    /// </summary>
    private static HashSet<int> TakeRounding(ModelGraph model, BackEnd backEnd, HashSet<int> entered)
    {
        var takes = new HashSet<int>(Enumerable.Range(0, model.Kinds.Count).Where(kind => SectionPlanner.WantsRounding(model.Kinds[kind].Training, backEnd)));
        while (Pairs(model).Where(p => entered.Contains(p.Above) && takes.Contains(p.Below)).Any(p => takes.Add(p.Above)))
        {
        }

        return takes;
    }

    private static IEnumerable<(int Below, int Above)> Pairs(ModelGraph model) =>
        model.KindOfLayer.Zip(model.KindOfLayer.Skip(1), (below, above) => (below, above));
}
