namespace ModGen.Oracle;

/// <summary>The one comparison of all tests. NaN is close to nothing.</summary>
public static class Close
{
    /// <summary>‖actual − expected‖ ≤ tolerance · ‖expected‖ + floor, in the Frobenius norm.</summary>
    /// <param name="expected">What should be.</param>
    /// <param name="actual">What is.</param>
    /// <param name="tolerance">Relative tolerance.</param>
    /// <param name="what">Named in the message.</param>
    /// <param name="floor">Absolute tolerance, for results that are small differences of larger numbers.</param>
    /// <exception cref="MismatchException">They are not close.</exception>
    public static void Check(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual, double tolerance, string what, double floor = 0)
    {
        if (expected.Length != actual.Length)
            throw new MismatchException($"{what}: {actual.Length} values, expected {expected.Length}.");
        var (distance, worst) = (0.0, 0);
        for (var i = 0; i < expected.Length; i++)
        {
            distance += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            if (!(Math.Abs(actual[i] - expected[i]) <= Math.Abs(actual[worst] - expected[worst])))
                worst = i;
        }

        var allowed = tolerance * Norm(expected) + floor;
        if (!(Math.Sqrt(distance) <= allowed))
            throw new MismatchException($"{what}: off by {Math.Sqrt(distance):E2}, {allowed:E2} allowed; worst at {worst}: {actual[worst]:R}, expected {expected[worst]:R}.");
    }

    /// <summary>The same of float32 results.</summary>
    public static void Check(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance, string what, double floor = 0)
    {
        var wide = new double[actual.Length];
        for (var i = 0; i < wide.Length; i++)
            wide[i] = actual[i];
        Check(expected, wide, tolerance, what, floor);
    }

    /// <summary>The same of one number.</summary>
    public static void Check(double expected, double actual, double tolerance, string what, double floor = 0) =>
        Check([expected], [actual], tolerance, what, floor);

    /// <summary>The Frobenius norm.</summary>
    public static double Norm(ReadOnlySpan<double> values)
    {
        var sum = 0.0;
        foreach (var value in values)
            sum += value * value;
        return Math.Sqrt(sum);
    }
}

/// <summary>Two results that should agree do not.</summary>
public sealed class MismatchException(string message) : Exception(message);
