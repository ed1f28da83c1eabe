using ModGen.Compiler.Ops;

namespace ModGen.Oracle;

/// <summary>
/// What every operation computes, written plainly from its definition: loops over elements in float64, nothing fused,
/// nothing blocked, nothing kept. Results are in the op's order.
/// </summary>
public static partial class OpMeaning
{
    /// <summary>Evaluates one operation.</summary>
    public static double[][] Evaluate(Op op, Tensor[] x, OpContext context) => op switch
    {
        IMeaningful own => own.Evaluate(x, context),
        Add => [Map(x[0], i => x[0].Values[i] + x[1].Values[i])],
        Scale scale => [Map(x[0], i => scale.Factor * x[0].Values[i])],
        Narrow => [Map(x[0], i => x[0].Values[i])], // how it rounds is the device's
        NarrowRows => [PutBack([.. x[1].Values], RowsAt(x[2], x[0]), RowsOf(x[0], x[2]))],
        EnteredScoresGradient entered => [EnteredScoresGradientOf(entered.Kind, x)],
        StopGradient => [Map(x[0], i => x[0].Values[i])],
        Silu => [Map(x[0], i => x[0].Values[i] * Sigmoid(x[0].Values[i]))],
        SiluGradient => [Map(x[0], i => x[1].Values[i] * SiluSlope(x[0].Values[i]))],
        SwiGlu => [SwiGluOf(x[0])],
        SwiGluGradient => [SwiGluGradientOf(x[0], x[1])],
        Linear => [LinearOf(x[0], x[1], x.Length == 3 ? x[2] : null)],
        LinearInputGradient => [LinearInputGradientOf(x[0], x[1])],
        LinearWeightGradient => [LinearWeightGradientOf(x[0], x[1])],
        BiasGradient => [Sums(x[0], (_, _) => 1)],
        Embedding => [GatherOf(x[1], Enumerable.Range(0, x[0].Values.Length).Select(x[0].Integer))],
        EmbeddingGradient gradient => [EmbeddingGradientOf(x[0], x[1], gradient.Vocabulary)],
        RmsNorm norm => RmsNormOf(x[0], x[1], norm.Epsilon),
        RmsNormGradient => RmsNormGradientOf(x[0], x[1], x[2], x[3]),
        Rotary rotary => [Rotate(x[0], x[1], rotary.Heads, rotary.HeadWidth, rotary.Base, 1)],
        RotaryGradient rotary => [Rotate(x[0], x[1], rotary.Heads, rotary.HeadWidth, rotary.Base, -1)],
        CausalAttention a => AttentionOf(x[0], a.Heads, a.KeyValueHeads, a.HeadWidth),
        CausalAttentionGradient a => [AttentionGradientOf(x[0], x[3], a.Heads, a.KeyValueHeads, a.HeadWidth)],
        CachedAttention a => CachedAttentionOf(x[0], x[1], a.Heads, a.KeyValueHeads, a.HeadWidth, context.Caches),
        CrossEntropy => [[CrossEntropyOf(x[0], x[1])]],
        CrossEntropyGradient => [CrossEntropyGradientOf(x[0], x[1], x[2].Values[0])],
        _ => Routing(op, x, context),
    };

    private static double[][] Routing(Op op, Tensor[] x, OpContext context) => op switch
    {
        RouterScores => [LinearOf(x[0], x[1], null)],
        RouterInputGradient => [OuterOf(x[0], x[1])],
        RouterWeightGradient => [Sums(x[0], (row, _) => x[1].Values[row])],
        RandomScores random => [RandomScoresOf(x[0], random.Offset, context)],
        TopK top => [Doubles(context.Selected ?? TopKOf(x[0], top.Count))],
        Gate gate => [GateOf(x[0], x[1], gate.Kind)],
        GateGradient gate => [GateGradientOf(gate, x[0], x[1], x[2])],
        RoutingLoss => [[RoutingLossOf(x[0], x[1])]],
        RoutingLossGradient => [RoutingLossGradientOf(x[0], x[1], x[2].Values[0])],
        CausalSelect => CausalSelectOf(x[0], x[1], x[2], context.Entered),
        GatherRows => [GatherOf(x[0], RowsAt(x[1], x[0]))],
        ScatterRows scatter => [ScatterInto(new double[x[1].Leading * scatter.Into.Elements], RowsAt(x[1], scatter.Into.Rows), x[0])],
        ScatterAddRows => [ScatterInto([.. x[0].Values], RowsAt(x[1], x[0]), x[2])],
        ScaleRows => [Map(x[0], i => x[0].Values[i] * x[1].Values[i / x[0].Width])],
        RowDot => [[.. Enumerable.Range(0, x[0].Rows).Select(r => Dot(x[0].Row(r), x[1].Row(r)))]],
        _ => throw new UnknownOpException(op),
    };

    internal static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    internal static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    private static double SiluSlope(double x) => Sigmoid(x) * (1 + x * (1 - Sigmoid(x)));

    private static double[] Map(Tensor like, Func<int, double> element)
    {
        var result = new double[like.Values.Length];
        for (var i = 0; i < result.Length; i++)
            result[i] = element(i);
        return result;
    }

    /// <summary>Sums over the rows of x, each element times a factor.</summary>
    private static double[] Sums(Tensor x, Func<int, int, double> factor)
    {
        var result = new double[x.Width];
        for (var row = 0; row < x.Rows; row++)
            for (var i = 0; i < x.Width; i++)
                result[i] += x[row, i] * factor(row, i);
        return result;
    }

    private static double[] Doubles(int[] values) => Array.ConvertAll(values, v => (double)v);
}
