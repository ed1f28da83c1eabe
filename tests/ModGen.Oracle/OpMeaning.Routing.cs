using ModGen.Compiler;
using ModGen.Compiler.Graph;
using ModGen.Compiler.Ops;
using ModGen.Compiler.Spec;

namespace ModGen.Oracle;

public static partial class OpMeaning
{
    private static double[] OuterOf(Tensor column, Tensor row)
    {
        var result = new double[column.Values.Length * row.Values.Length];
        for (var i = 0; i < result.Length; i++)
            result[i] = column.Values[i / row.Values.Length] * row.Values[i % row.Values.Length];
        return result;
    }

    /// <summary>By a stable sort: of equal scores the earlier position comes first.</summary>
    private static int[] TopKOf(Tensor scores, int count)
    {
        var length = scores.Stride;
        return [.. Enumerable.Range(0, scores.Leading).SelectMany(sequence =>
            Enumerable.Range(0, length).OrderByDescending(i => scores.Values[sequence * length + i]).Take(count).Order())];
    }

    /// <summary>Uniform in [0, 1) with 24 bits from SplitMix64 of draw, layer, sequence and position, less the offset.</summary>
    private static double[] RandomScoresOf(Tensor positions, double offset, OpContext context)
    {
        const ulong Golden = 0x9E3779B97F4A7C15;
        return Map(positions, i =>
        {
            var sequence = Mix(Mix(context.Draw + (ulong)context.Layer * Golden) + (ulong)(i / positions.Stride));
            return (Mix(sequence + (ulong)positions.Values[i] * Golden) >> 40) / (double)(1 << 24) - offset;
        });

        static ulong Mix(ulong z)
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    private static double[] GateOf(Tensor scores, Tensor indices, GateKind kind)
    {
        var at = RowsAt(indices, scores.Stride).ToArray();
        return Array.ConvertAll(at, i => kind switch
        {
            GateKind.Identity => scores.Values[i],
            GateKind.Sigmoid => Sigmoid(scores.Values[i]),
            GateKind.Tanh => Math.Tanh(scores.Values[i]),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a gate of scores."),
        });
    }

    private static double[] GateGradientOf(GateGradient op, Tensor gates, Tensor dgates, Tensor indices)
    {
        var result = new double[indices.Leading * op.Scores.Elements];
        var selected = 0;
        foreach (var at in RowsAt(indices, op.Scores.Elements))
        {
            var gate = gates.Values[selected];
            result[at] = dgates.Values[selected++] * SlopeOf(op.Kind, gate);
        }

        return result;
    }

    private static double SlopeOf(GateKind kind, double gate) => kind switch
    {
        GateKind.Identity => 1,
        GateKind.Sigmoid => gate * (1 - gate),
        GateKind.Tanh => 1 - gate * gate,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a gate of scores."),
    };

    private static double[] EnteredScoresGradientOf(GateKind kind, Tensor[] x)
    {
        var result = new double[x[0].Values.Length];
        var at = x.Length == 3 ? [] : RowsAt(x[2], x[3].Stride).ToArray();
        for (var i = 0; i < result.Length; i++)
        {
            result[i] = x[1].Values[i] * SlopeOf(kind, x[0].Values[i]);
            if (x.Length > 3)
                result[i] += (Sigmoid(x[3].Values[at[i]]) - 1) * x[4].Values[0] / x[3].Values.Length;
        }

        return result;
    }

    private static double RoutingLossOf(Tensor logits, Tensor indices)
    {
        var members = RowsAt(indices, logits.Stride).ToHashSet();
        var sum = 0.0;
        for (var i = 0; i < logits.Values.Length; i++)
            sum -= Math.Log(members.Contains(i) ? Sigmoid(logits.Values[i]) : Sigmoid(-logits.Values[i]));
        return sum / logits.Values.Length;
    }

    private static double[] RoutingLossGradientOf(Tensor logits, Tensor indices, double dloss)
    {
        var members = RowsAt(indices, logits.Stride).ToHashSet();
        return Map(logits, i => (Sigmoid(logits.Values[i]) - (members.Contains(i) ? 1 : 0)) * dloss / logits.Values.Length);
    }

    private static double[][] CausalSelectOf(Tensor logits, Tensor positions, Tensor sequences, bool[]? forced)
    {
        var rows = Enumerable.Range(0, logits.Values.Length).Where(row => forced?[row] ?? logits.Values[row] > 0).ToArray();
        return [Doubles(rows), Array.ConvertAll(rows, r => positions.Values[r]), Array.ConvertAll(rows, r => sequences.Values[r])];
    }

    private static Tensor RowsOf(Tensor x, Tensor indices) =>
        new(x.Type with { Extents = EquatableArray.Of(indices.Stride, x.Width) }, GatherOf(x, RowsAt(indices, x)));

    private static double[] GatherOf(Tensor x, IEnumerable<int> rows) => [.. rows.SelectMany(row => x.Row(row).ToArray())];

    private static double[] PutBack(double[] result, IEnumerable<int> rows, Tensor y)
    {
        var from = 0;
        foreach (var row in rows)
            y.Row(from++).CopyTo(result.AsSpan(row * y.Width, y.Width));
        return result;
    }

    private static double[] ScatterInto(double[] result, IEnumerable<int> rows, Tensor y)
    {
        var from = 0;
        foreach (var row in rows)
        {
            for (var i = 0; i < y.Width; i++)
                result[row * y.Width + i] += y[from, i];
            from++;
        }

        return result;
    }

    /// <summary>Rows of x that indices name.</summary>
    private static IEnumerable<int> RowsAt(Tensor indices, Tensor x) => RowsAt(indices, x.Rows / x.Leading);

    /// <summary>Positions count within each sequence, active rows within the call.</summary>
    private static IEnumerable<int> RowsAt(Tensor indices, long rowsOfSequence) => indices.Type.Leading == LeadingExtent.Active
        ? indices.Values.Select(index => checked((int)index))
        : indices.Values.Select((index, i) => checked((int)(i / indices.Stride * rowsOfSequence + (long)index)));
}
