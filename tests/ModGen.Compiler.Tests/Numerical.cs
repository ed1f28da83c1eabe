namespace ModGen.Compiler.Tests;

/// <summary>Derivatives by central differences.</summary>
internal static class Numerical
{
    /// <summary>Relative tolerance of a derivative in float64: the step's own error is about 1e-10.</summary>
    public const double Tolerance = 1e-6;

    private const double Step = 1e-5;

    /// <summary>The gradient of <paramref name="function"/> in <paramref name="values"/>, which it reads; they are as before afterwards.</summary>
    public static double[] Gradient(double[] values, Func<double> function)
    {
        var result = new double[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var value = values[i];
            values[i] = value + Step;
            var above = function();
            values[i] = value - Step;
            var below = function();
            values[i] = value;
            result[i] = (above - below) / (2 * Step);
        }

        return result;
    }
}
