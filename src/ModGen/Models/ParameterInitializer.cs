namespace ModGen;

/// <summary>Draws the start values of parameters. Each tensor has a stream of its own, so that adding one moves no other.</summary>
internal static class ParameterInitializer
{
    public static void Draw(ParameterTable table, Arena weights, ulong seed)
    {
        foreach (var parameter in table.Parameters)
        {
            var values = weights.Span(parameter.Offset, parameter.Length);
            switch (parameter.Initialization)
            {
                case Initialization.Zeros:
                    values.Clear();
                    break;
                case Initialization.Ones:
                    values.Fill(1);
                    break;
                case Initialization.Normal:
                    new CounterRandom(seed, CounterRandom.Stream(parameter.Name)).FillNormal(values, parameter.Deviation);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(table), parameter.Initialization, "Unknown initialization.");
            }
        }
    }
}
