using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Graph;

namespace ModGen.Compiler.Planning;

/// <summary>
/// Runs the sections of a training step over all layers on streams that remember what was left in them: whoever reads the stream
/// before or behind a layer, or the rounded gradient, must find that of this layer. What happens within a section is
/// <see cref="PlanVerifier"/>'s.
/// </summary>
public static class TrainingPlanVerifier
{
    /// <exception cref="GraphException">A section would read another layer's stream, or a gradient that nobody has rounded, or leave something to one that cannot do it.</exception>
    public static void Verify(TrainingPlan plan)
    {
        var streams = plan.Memory.Streams;
        var last = streams.Count - 1;
        // Which layer's input each buffer holds; behind the last layer, the head's.
        var held = new Dictionary<long, int> { [streams[0]] = 0 };
        for (var layer = 0; layer < last; layer++)
        {
            var section = SectionOf(layer);
            Expect(layer, section, "forward");
            if (section.UpdatesInPlace != (streams[layer + 1] == streams[layer]))
                throw new GraphException($"{section.Section.Name}, layer {layer}: the streams before and behind it are {(section.UpdatesInPlace ? "apart" : "the same")}.");
            held[streams[layer + 1]] = layer + 1;
        }

        Expect(last, plan.LossAndGradient, "head");
        var rounded = plan.LossAndGradient.Rounded.Out is not null;
        var above = plan.LossAndGradient;
        for (var layer = last - 1; layer >= 0; layer--)
        {
            var section = SectionOf(layer);
            var reads = section.Backward.SelectMany(l => l.Reads).ToList();
            if (reads.Contains(section.Section.StreamIn!))
                Expect(layer, section, "backward");
            if (reads.Contains(section.Section.StreamOut!))
                Expect(layer + 1, section, "backward");
            if (section.Rounded.In is { } gradient && !rounded)
                throw new GraphException($"{section.Section.Name}, layer {layer}: nobody has left {gradient.Name}.");
            if (section.Passing is not null && above.NormOfStream is null)
                throw new GraphException($"{section.Section.Name}, layer {layer}: {above.Section.Name} has no norm that could add what the router sends into rows that pass by.");
            (rounded, above) = (section.Rounded.Out is not null, section);
        }

        SectionPlan SectionOf(int layer) => plan.Blocks[plan.Model.KindOfLayer[layer]];

        void Expect(int layer, SectionPlan section, string pass)
        {
            if (!held.TryGetValue(streams[layer], out var holds) || holds != layer)
                throw new GraphException($"{section.Section.Name}, {pass}: the stream before layer {layer} has been overwritten.");
        }
    }
}
