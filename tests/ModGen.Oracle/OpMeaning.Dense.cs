namespace ModGen.Oracle;

public static partial class OpMeaning
{
    private static double[] LinearOf(Tensor x, Tensor weight, Tensor? bias)
    {
        var outputs = weight.Rows;
        var y = new double[x.Rows * outputs];
        for (var row = 0; row < x.Rows; row++)
            for (var o = 0; o < outputs; o++)
                y[row * outputs + o] = Dot(x.Row(row), weight.Row(o)) + (bias?.Values[o] ?? 0);
        return y;
    }

    private static double[] LinearInputGradientOf(Tensor dy, Tensor weight)
    {
        var inputs = weight.Width;
        var dx = new double[dy.Rows * inputs];
        for (var row = 0; row < dy.Rows; row++)
            for (var o = 0; o < dy.Width; o++)
                for (var i = 0; i < inputs; i++)
                    dx[row * inputs + i] += dy[row, o] * weight[o, i];
        return dx;
    }

    private static double[] LinearWeightGradientOf(Tensor x, Tensor dy)
    {
        var dw = new double[dy.Width * x.Width];
        for (var row = 0; row < x.Rows; row++)
            for (var o = 0; o < dy.Width; o++)
                for (var i = 0; i < x.Width; i++)
                    dw[o * x.Width + i] += dy[row, o] * x[row, i];
        return dw;
    }

    private static double[] EmbeddingGradientOf(Tensor tokens, Tensor dy, int vocabulary)
    {
        var table = new double[vocabulary * dy.Width];
        for (var row = 0; row < dy.Rows; row++)
            for (var i = 0; i < dy.Width; i++)
                table[tokens.Integer(row) * dy.Width + i] += dy[row, i];
        return table;
    }

    private static double[][] RmsNormOf(Tensor x, Tensor gain, double epsilon)
    {
        var y = new double[x.Values.Length];
        var rstd = new double[x.Rows];
        for (var row = 0; row < x.Rows; row++)
        {
            rstd[row] = 1 / Math.Sqrt(Dot(x.Row(row), x.Row(row)) / x.Width + epsilon);
            for (var i = 0; i < x.Width; i++)
                y[row * x.Width + i] = x[row, i] * rstd[row] * gain.Values[i];
        }

        return [y, rstd];
    }

    private static double[][] RmsNormGradientOf(Tensor dy, Tensor x, Tensor gain, Tensor rstd)
    {
        var dx = new double[x.Values.Length];
        for (var row = 0; row < x.Rows; row++)
        {
            var r = rstd.Values[row];
            var mean = 0.0;
            for (var i = 0; i < x.Width; i++)
                mean += dy[row, i] * gain.Values[i] * x[row, i] / x.Width;
            for (var i = 0; i < x.Width; i++)
                dx[row * x.Width + i] = r * (dy[row, i] * gain.Values[i] - x[row, i] * r * r * mean);
        }

        return [dx, Sums(dy, (row, i) => x[row, i] * rstd.Values[row])];
    }

    private static double[] Rotate(Tensor x, Tensor positions, int heads, int width, double @base, int direction)
    {
        var y = (double[])x.Values.Clone();
        var half = width / 2;
        for (var row = 0; row < x.Rows; row++)
        {
            for (var head = 0; head < heads; head++)
            {
                for (var i = 0; i < half; i++)
                {
                    var angle = direction * positions.Values[row] * Math.Pow(@base, -2.0 * i / width);
                    var at = row * x.Width + head * width + i;
                    var (a, b) = (x.Values[at], x.Values[at + half]);
                    y[at] = a * Math.Cos(angle) - b * Math.Sin(angle);
                    y[at + half] = b * Math.Cos(angle) + a * Math.Sin(angle);
                }
            }
        }

        return y;
    }

    private static double[] SwiGluOf(Tensor x)
    {
        var half = x.Width / 2;
        var y = new double[x.Rows * half];
        for (var row = 0; row < x.Rows; row++)
            for (var i = 0; i < half; i++)
                y[row * half + i] = x[row, i] * Sigmoid(x[row, i]) * x[row, half + i];
        return y;
    }

    private static double[] SwiGluGradientOf(Tensor x, Tensor dy)
    {
        var half = dy.Width;
        var dx = new double[x.Values.Length];
        for (var row = 0; row < x.Rows; row++)
        {
            for (var i = 0; i < half; i++)
            {
                var (gate, up) = (x[row, i], x[row, half + i]);
                dx[row * x.Width + i] = dy[row, i] * up * SiluSlope(gate);
                dx[row * x.Width + half + i] = dy[row, i] * gate * Sigmoid(gate);
            }
        }

        return dx;
    }

    private static double CrossEntropyOf(Tensor logits, Tensor targets)
    {
        var (sum, counted) = (0.0, 0);
        for (var row = 0; row < logits.Rows; row++)
        {
            if (targets.Values[row] < 0)
                continue;
            sum -= Math.Log(Softmax(logits.Row(row))[targets.Integer(row)]);
            counted++;
        }

        return sum / counted;
    }

    private static double[] CrossEntropyGradientOf(Tensor logits, Tensor targets, double dloss)
    {
        var counted = targets.Values.Count(t => t >= 0);
        var result = new double[logits.Values.Length];
        for (var row = 0; row < logits.Rows; row++)
        {
            if (targets.Values[row] < 0)
                continue;
            var probabilities = Softmax(logits.Row(row));
            for (var i = 0; i < logits.Width; i++)
                result[row * logits.Width + i] = (probabilities[i] - (i == targets.Integer(row) ? 1 : 0)) * dloss / counted;
        }

        return result;
    }

    internal static double[] Softmax(ReadOnlySpan<double> scores)
    {
        var result = scores.ToArray();
        var most = result.Max();
        for (var i = 0; i < result.Length; i++)
            result[i] = Math.Exp(result[i] - most);
        var sum = result.Sum();
        return Array.ConvertAll(result, p => p / sum);
    }
}
