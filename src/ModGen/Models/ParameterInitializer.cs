namespace ModGen;

/// <summary>Draws the start values of parameters. Each tensor has a stream of its own, so that adding one moves no other.</summary>
internal static class ParameterInitializer
{
    // Even: normal deviates come in pairs, and a piece must not cut one.
    private const int PieceLength = 1 << 18;

    public static void Draw(ParameterTable table, ParameterMemory weights, ulong seed)
    {
        var piece = new float[Math.Min(PieceLength, table.Parameters.Max(parameter => parameter.Length))];
        foreach (var parameter in table.Parameters)
        {
            var random = new CounterRandom(seed, CounterRandom.Stream(parameter.Name));
            for (var start = 0; start < parameter.Length; start += piece.Length)
            {
                var values = piece.AsSpan(0, Math.Min(piece.Length, parameter.Length - start));
                Fill(parameter, values, ref random);
                weights.Write(parameter.Offset + start, values);
            }
        }
    }

    private static void Fill(Parameter parameter, Span<float> values, ref CounterRandom random)
    {
        switch (parameter.Initialization)
        {
            case Initialization.Zeros:
                values.Clear();
                break;
            case Initialization.Ones:
                values.Fill(1);
                break;
            case Initialization.Normal:
                random.FillNormal(values, parameter.Deviation);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(parameter), parameter.Initialization, "Unknown initialization.");
        }
    }
}
