using System;
using System.Collections.Generic;
using System.Linq;

namespace ModGen.Compiler.Planning;

/// <summary>A run of layers that repeat a pattern of block kinds: one loop in emitted code.</summary>
/// <param name="First">Index of the first layer.</param>
/// <param name="Pattern">Kinds of the layers of one repetition.</param>
/// <param name="Repeats">Repetitions.</param>
public sealed record LayerSegment(int First, EquatableArray<int> Pattern, int Repeats)
{
    /// <summary>Layers covered.</summary>
    public int Layers => Pattern.Count * Repeats;
}

/// <summary>Finds the loops in a list of layers.</summary>
public static class LayerSegments
{
    private const int LongestPattern = 16;

    /// <summary>Covers <paramref name="kinds"/> from the front, each time by the pattern that reaches farthest; the shorter pattern wins a tie.</summary>
    public static EquatableArray<LayerSegment> Of(EquatableArray<int> kinds)
    {
        List<LayerSegment> segments = [];
        for (var first = 0; first < kinds.Count;)
        {
            var (period, repeats) = (1, 1);
            for (var p = 1; p <= Math.Min(LongestPattern, (kinds.Count - first) / 2); p++)
            {
                var r = Repeats(kinds, first, p);
                if (r > 1 && r * p > period * repeats)
                    (period, repeats) = (p, r);
            }

            segments.Add(new LayerSegment(first, kinds.Skip(first).Take(period).ToEquatableArray(), repeats));
            first += period * repeats;
        }

        return segments.ToEquatableArray();
    }

    private static int Repeats(EquatableArray<int> kinds, int first, int period)
    {
        var end = first + period;
        while (end < kinds.Count && kinds[end] == kinds[end - period])
            end++;
        return (end - first) / period;
    }
}
