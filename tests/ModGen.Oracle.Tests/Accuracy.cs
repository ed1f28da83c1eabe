namespace ModGen.Oracle.Tests;

/// <summary>How far from the interpreter's a device's results may be, by the arithmetic that it computes in.</summary>
/// <param name="Loss">Relative, of losses: means over many positions, in which errors of both signs meet.</param>
/// <param name="Value">Relative in the Frobenius norm, of logits, scores and predictor logits.</param>
/// <param name="Gradient">The same, of every parameter's gradient.</param>
/// <param name="Noise">Share of the whole gradient's norm that any tensor may be off besides: parts that nearly vanish are small differences of larger numbers.</param>
/// <param name="Shakes">How many times as much a result may be off as the interpreter's own moves when it is shaken by the device's roundings. It is asked only where the rest does not suffice.</param>
/// <param name="RoundsOperands">Whether operands are bfloat16.</param>
internal sealed record Accuracy(double Loss, double Value, double Gradient, double Noise, double Shakes, bool RoundsOperands)
{
    /// <summary>
    /// Float32 sums of some hundred terms, layer after layer. Shaken by the last bit of the parameters: an element meets some
    /// thirty such roundings on its way through a few layers and back.
    /// </summary>
    public static Accuracy Float32 { get; } = new(1e-4, 1e-4, 1e-4, 1e-7, Shakes: 30, RoundsOperands: false);

    /// <summary>
    /// Operands of eight bits: a rounding moves an element by up to 2⁻⁹ of itself, by 0.11 % in the root mean square. Six of
    /// them meet in a layer (weights, norm, queries and keys, attention weights and output, the feed-forward's middle), so that
    /// three layers leave √18 · 0.11 % ≈ 0.5 % of the logits, and the way back, which sees as many and meets the forward's again in
    /// each product, about twice that. Four times what is expected is allowed for values, three times for gradients; sums,
    /// residual stream, router and losses are float32. Models of a few wide are worse conditioned than that: six elements with
    /// large weights average nothing. What rounding the operands does to the interpreter says how much worse, and
    /// <see cref="BFloat16ArithmeticTests"/> that wide ones need none of it.
    /// </summary>
    public static Accuracy BFloat16 { get; } = new(1e-2, 2e-2, 3e-2, 3e-3, Shakes: 3, RoundsOperands: true);

    /// <summary>
    /// As <see cref="Value"/>, between two computations of the same device in different pieces. With rounded operands each is off
    /// by its own roundings, so that the two may be twice as far from one another as either is from the exact one.
    /// Over a batch rounding moves the logits of small models by 1.2 to 1.8 %, those of single rows by up to 5.5 %: a piece of one
    /// row may need the shaken ones.
    /// </summary>
    public double Pair => RoundsOperands ? 2 * Value : Value;

    /// <summary>The same where what shakes is the worst of several draws: once and a half as much is then as unlikely as three times one draw.</summary>
    public Accuracy OfDraws => this with { Shakes = Shakes / 2 };

    /// <summary>Compares with what is expected; a mismatch counts when the shaken interpreter does not explain it.</summary>
    /// <param name="expected">What should be.</param>
    /// <param name="actual">What is.</param>
    /// <param name="tolerance">Relative tolerance: one of the above.</param>
    /// <param name="what">Named in the message.</param>
    /// <param name="shaken">Gives what the shaken interpreter makes of it; null when none was shaken.</param>
    /// <param name="floor">Absolute tolerance besides.</param>
    /// <exception cref="MismatchException">They are not close.</exception>
    public void Check(double[] expected, ReadOnlySpan<float> actual, double tolerance, string what, Func<double[]>? shaken = null, double floor = 0)
    {
        try
        {
            Close.Check(expected, actual, tolerance, what, floor);
        }
        catch (MismatchException) when (shaken is not null)
        {
            Close.Check(expected, actual, tolerance, what, floor + Shakes * Close.Norm([.. expected.Zip(shaken(), (a, b) => a - b)]));
        }
    }
}

/// <summary>A step of the interpreter to compare with.</summary>
/// <param name="Run">What it computes.</param>
/// <param name="Within">How close the device's step must be.</param>
/// <param name="Shaken">The same with the device's roundings; null when they do not matter.</param>
internal sealed record Expected(TrainingRun Run, Accuracy Within, Lazy<TrainingRun>? Shaken = null)
{
    /// <summary>The interpreter's step, and its step with rounded operands where the device rounds them.</summary>
    public static Expected Of(ModelInterpreter interpreter, ModelParameters parameters, ModelInterpreter.Batch batch, Accuracy within) => new(
        interpreter.Run(parameters, batch, backward: true), within,
        within.RoundsOperands ? new(() => interpreter.Run(parameters, batch with { RoundsOperands = true }, backward: true)) : null);

    public void Loss(Func<TrainingRun, double> of, float actual, string what) => Check(run => [of(run)], [actual], Within.Loss, what);

    public void Values(Func<TrainingRun, double[]> of, ReadOnlySpan<float> actual, string what) => Check(of, actual, Within.Value, what);

    private void Check(Func<TrainingRun, double[]> of, ReadOnlySpan<float> actual, double tolerance, string what) =>
        Within.Check(of(Run), actual, tolerance, what, Shaken is null ? null : () => of(Shaken.Value));
}
