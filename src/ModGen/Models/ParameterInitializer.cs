using System.Runtime.ExceptionServices;

namespace ModGen;

/// <summary>
/// Draws the start values of parameters. Each tensor has a stream of its own, so that adding one moves no other, and the
/// order in which they are drawn is free.
/// </summary>
internal static class ParameterInitializer
{
    // Even: normal deviates come in pairs, and a piece must not cut one.
    private const int PieceLength = 1 << 18;

    // Below this the threads would cost more than the drawing.
    private const long Few = 1 << 20;

    public static void Draw(ParameterTable table, ParameterMemory weights, ulong seed)
    {
        var length = Math.Min(PieceLength, table.Parameters.Max(parameter => parameter.Length));
        var options = new ParallelOptions { MaxDegreeOfParallelism = table.Length < Few ? 1 : -1 };
        try
        {
            Parallel.ForEach(table.Parameters, options, () => new float[length], (parameter, _, piece) => Draw(parameter, weights, seed, piece), _ => { });
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    private static float[] Draw(Parameter parameter, ParameterMemory weights, ulong seed, float[] piece)
    {
        var random = new CounterRandom(seed, CounterRandom.Stream(parameter.Name));
        for (var start = 0; start < parameter.Length; start += piece.Length)
        {
            var values = piece.AsSpan(0, Math.Min(piece.Length, parameter.Length - start));
            Fill(parameter, values, ref random);
            weights.Write(parameter.Offset + start, values);
        }

        return piece;
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
