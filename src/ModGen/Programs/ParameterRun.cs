namespace ModGen.Programs;

/// <summary>A stretch of the parameter arena that the optimizer treats alike.</summary>
internal readonly record struct ParameterRun(long Offset, int Length, bool Decays)
{
    /// <summary>The stretches of a table, in order, none longer than <paramref name="longest"/>.</summary>
    public static IEnumerable<ParameterRun> Of(ParameterTable table, int longest)
    {
        long start = 0, end = 0;
        var decays = false;
        foreach (var parameter in table.Parameters)
        {
            if (parameter.Decays != decays)
            {
                foreach (var run in Pieces(start, end, decays, longest))
                    yield return run;
                (start, decays) = (parameter.Offset, parameter.Decays);
            }

            end = parameter.Offset + parameter.Length;
        }

        foreach (var run in Pieces(start, end, decays, longest))
            yield return run;
    }

    private static IEnumerable<ParameterRun> Pieces(long start, long end, bool decays, int longest)
    {
        for (; start < end; start += longest)
            yield return new ParameterRun(start, (int)Math.Min(longest, end - start), decays);
    }
}
