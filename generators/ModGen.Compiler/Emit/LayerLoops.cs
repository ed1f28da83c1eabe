using System;
using System.Collections.Generic;
using System.Linq;
using ModGen.Compiler.Planning;

namespace ModGen.Compiler.Emit;

/// <summary>Writes loops over layers, and the arithmetic of what lies where in them, from the segments of a plan.</summary>
internal static class LayerLoops
{
    /// <summary>One statement a layer, as loops, first layer first or last layer first.</summary>
    public static void Write(CodeWriter writer, EquatableArray<LayerSegment> segments, bool backwards, Func<int, string, string> statement)
    {
        foreach (var segment in backwards ? segments.Reverse() : segments)
        {
            var places = Enumerable.Range(0, segment.Pattern.Count);
            if (backwards)
                places = places.Reverse();
            if (segment.Repeats == 1)
            {
                foreach (var place in places)
                    writer.Line(statement(segment.Pattern[place], Literal.Of(segment.First + place)));
                continue;
            }

            using (writer.Block(Header(segment, backwards)))
                foreach (var place in places)
                    writer.Line(statement(segment.Pattern[place], place == 0 ? "layer" : $"layer + {Literal.Of(place)}"));
        }
    }

    /// <summary>A method that gives the offset of a layer in an arena.</summary>
    /// <param name="writer">Where to write it.</param>
    /// <param name="name">Name of the method.</param>
    /// <param name="summary">Its doc comment.</param>
    /// <param name="segments">The loops over layers.</param>
    /// <param name="offsets">The offset of every layer.</param>
    public static void WriteOffsets(CodeWriter writer, string name, string summary, EquatableArray<LayerSegment> segments, EquatableArray<long> offsets) =>
        WriteLookup(writer, $"long {name}", summary, segments, segment => Offset(segment, offsets));

    /// <summary>A method that gives the kind of a layer: an index into the model's kinds of blocks.</summary>
    public static void WriteKinds(CodeWriter writer, EquatableArray<LayerSegment> segments, string kinds) =>
        WriteLookup(writer, "int KindOf", $"Which kind of block a layer is: {kinds}.", segments, Kind);

    /// <summary>A method of the layer's index: one expression a segment.</summary>
    private static void WriteLookup(
        CodeWriter writer, string signature, string summary, EquatableArray<LayerSegment> segments, Func<LayerSegment, string> expression)
    {
        writer.Line($"/// <summary>{summary}</summary>");
        using (writer.Block($"private static {signature}(int layer)"))
        {
            for (var i = 0; i < segments.Count; i++)
            {
                if (i == segments.Count - 1)
                    writer.Line($"return {expression(segments[i])};");
                else
                    writer.Lines($"if (layer < {Literal.Of(segments[i].First + segments[i].Layers)})\n    return {expression(segments[i])};");
            }
        }
    }

    private static string Kind(LayerSegment segment)
    {
        if (segment.Pattern.Distinct().Count() == 1)
            return Literal.Of(segment.Pattern[0]);
        var layer = segment.First == 0 ? "layer" : $"(layer - {Literal.Of(segment.First)})";
        var period = segment.Pattern.Count;
        var cases = segment.Pattern.Select((kind, place) => (place == period - 1 ? "_" : Literal.Of(place)) + " => " + Literal.Of(kind));
        return $"({layer} % {Literal.Of(period)}) switch {{ {string.Join(", ", cases)} }}";
    }

    private static string Header(LayerSegment segment, bool backwards)
    {
        var period = segment.Pattern.Count;
        var last = segment.First + segment.Layers - period;
        return backwards
            ? $"for (var layer = {Literal.Of(last)}; layer >= {Literal.Of(segment.First)}; {(period == 1 ? "layer--" : $"layer -= {Literal.Of(period)}")})"
            : $"for (var layer = {Literal.Of(segment.First)}; layer < {Literal.Of(segment.First + segment.Layers)}; {(period == 1 ? "layer++" : $"layer += {Literal.Of(period)}")})";
    }

    private static string Offset(LayerSegment segment, EquatableArray<long> offsets)
    {
        var start = offsets[segment.First];
        var period = segment.Pattern.Count;
        var layer = segment.First == 0 ? "layer" : $"(layer - {Literal.Of(segment.First)})";
        if (segment.Layers == 1)
            return Literal.Of(start) + "L";
        var step = segment.Repeats == 1 ? 0 : offsets[segment.First + period] - start;
        List<string> terms = [];
        if (start != 0)
            terms.Add(Literal.Of(start) + "L");
        if (step != 0)
            terms.Add(period == 1 ? $"{layer} * {Literal.Of(step)}L" : $"{layer} / {Literal.Of(period)} * {Literal.Of(step)}L");
        if (period == 1)
            return terms.Count == 0 ? "0" : string.Join(" + ", terms);
        List<string> cases = [];
        for (var place = 0; place < period; place++)
            cases.Add((place == period - 1 ? "_" : Literal.Of(place)) + " => " + Literal.Of(offsets[segment.First + place] - start) + "L");
        terms.Add($"({layer} % {Literal.Of(period)}) switch {{ {string.Join(", ", cases)} }}");
        return string.Join(" + ", terms);
    }
}
