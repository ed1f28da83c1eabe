namespace ModGen.Cpu.Tests;

public class NormTests
{
    private const float Epsilon = 1e-5f;

    public static TheoryData<int, int> Sizes => new() { { 2, 3 }, { 3, 7 }, { 40, 33 }, { 100, 64 }, { 700, 257 }, { 5, 512 } };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Rms_norm_forward_matches(int rows, int width)
    {
        var data = new Data(21);
        float[] x = data.Normal(rows * width, 3), a = data.Normal(rows * width), gain = data.Normal(width);
        var sum = x.Select((v, i) => (double)v + a[i]).ToArray();
        var (plain, plainRstd) = Norm([.. x.Select(v => (double)v)], gain, rows, width);
        var (added, addedRstd) = Norm(sum, gain, rows, width);
        Variants.Check(
            workers =>
            {
                float[] y = Data.Poison(rows * width), rstd = Data.Poison(rows);
                float[] kept = [.. x], y2 = Data.Poison(rows * width), rstd2 = Data.Poison(rows);
                RmsNorm.Forward(workers, x, gain, y, rstd, rows, width, Epsilon);
                RmsNorm.AddForward(workers, kept, a, gain, kept, y2, rstd2, rows, width, Epsilon);
                return [y, rstd, kept, y2, rstd2];
            },
            plain, plainRstd, sum, added, addedRstd);
    }

    [Theory]
    [InlineData(1, 1, 1, 5)]
    [InlineData(3, 17, 4, 33)]
    [InlineData(2, 64, 64, 48)]
    public void Gathering_norm_matches(int batch, int length, int count, int width)
    {
        var data = new Data(22);
        float[] x = data.Normal(batch * length * width), gain = data.Normal(width);
        var indices = data.Selection(batch, length, count);
        var rows = batch * count;
        var gathered = RoutingTests.Gathered(x, indices, batch, length, count, width);
        var (expected, expectedRstd) = Norm(gathered, gain, rows, width);
        Variants.Check(
            workers =>
            {
                float[] kept = Data.Poison(rows * width), y = Data.Poison(rows * width), rstd = Data.Poison(rows);
                RmsNorm.GatherForward(workers, x, indices, gain, kept, y, rstd, batch, length, count, width, Epsilon);
                return [kept, y, rstd];
            },
            gathered, expected, expectedRstd);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Rms_norm_backward_matches(int rows, int width)
    {
        var data = new Data(23);
        float[] x = data.Normal(rows * width), dy = data.Normal(rows * width), gain = data.Normal(width), residual = data.Normal(rows * width), before = data.Normal(width);
        var rstd = Norm([.. x.Select(v => (double)v)], gain, rows, width).Rstd.Select(v => (float)v).ToArray();
        var dx = new double[rows * width];
        var dgain = before.Select(v => (double)v).ToArray();
        for (var row = 0; row < rows; row++)
        {
            double r = rstd[row], mean = 0;
            for (var i = 0; i < width; i++)
                mean += (double)dy[row * width + i] * gain[i] * x[row * width + i] / width;
            for (var i = 0; i < width; i++)
            {
                var at = row * width + i;
                dx[at] = r * dy[at] * gain[i] - r * r * r * mean * x[at];
                dgain[i] += dy[at] * x[at] * r;
            }
        }

        var withResidual = dx.Select((v, i) => v + residual[i]).ToArray();
        Variants.Check(
            workers =>
            {
                float[] actual = Data.Poison(rows * width), dg = [.. before], added = [.. residual], dg2 = [.. before], inPlace = [.. dy], dg3 = [.. before];
                RmsNorm.Backward(workers, dy, x, gain, rstd, actual, dg, rows, width);
                RmsNorm.BackwardAdd(workers, dy, x, gain, rstd, added, added, dg2, rows, width);
                RmsNorm.Backward(workers, inPlace, x, gain, rstd, inPlace, dg3, rows, width);
                return [actual, dg, added, dg2, inPlace, dg3];
            },
            dx, dgain, withResidual, dgain, dx, dgain);
    }

    [Theory]
    [InlineData(1, 1, 2, 2)]
    [InlineData(9, 3, 2, 10)]
    [InlineData(70, 5, 4, 64)]
    [InlineData(20, 2, 2, 34)]
    public void Rotary_turns_pairs_and_backward_turns_them_back(int rows, int allHeads, int heads, int width)
    {
        heads = Math.Min(heads, allHeads);
        var data = new Data(24);
        var stride = allHeads * width + 3;
        var x = data.Normal(rows * stride);
        var positions = data.Integers(rows, 50);
        float[] cos = new float[50 * width / 2], sin = new float[50 * width / 2];
        Rotary.FillTable(cos, sin, 50, width, 10_000);
        double[] forward = [.. x.Select(v => (double)v)], backward = [.. forward];
        for (var row = 0; row < rows; row++)
        {
            for (var h = 0; h < heads; h++)
            {
                for (var i = 0; i < width / 2; i++)
                {
                    var (s, c) = Math.SinCos(positions[row] * Math.Pow(10_000, -2.0 * i / width));
                    var at = row * stride + h * width + i;
                    double a = x[at], b = x[at + width / 2];
                    (forward[at], forward[at + width / 2]) = (a * c - b * s, b * c + a * s);
                    (backward[at], backward[at + width / 2]) = (a * c + b * s, b * c - a * s);
                }
            }
        }

        Variants.Check(
            workers =>
            {
                float[] f = [.. x], b = [.. x];
                Rotary.Forward(workers, f, positions, cos, sin, rows, stride, heads, width);
                Rotary.Backward(workers, b, positions, cos, sin, rows, stride, heads, width);
                return [f, b];
            },
            forward, backward);
        Assert.Throws<ArgumentOutOfRangeException>(() => Rotary.Forward(Variants.Workers(128, 1), x, [50, .. positions], cos, sin, rows, stride, heads, width));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 33)]
    [InlineData(200, 96)]
    [InlineData(3, 10_001)]
    public void Swiglu_and_silu_match_with_their_gradients(int rows, int hidden)
    {
        var data = new Data(25);
        float[] x = data.Normal(rows * 2 * hidden, 4), dy = data.Normal(rows * hidden);
        if (rows > 1)
            x[0] = -200;
        double[] y = new double[rows * hidden], dx = new double[rows * 2 * hidden], silu = new double[x.Length], dsilu = new double[x.Length];
        static double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));
        static double Slope(double v) => Sigmoid(v) * (1 + v * (1 - Sigmoid(v)));
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < hidden; i++)
            {
                double g = x[row * 2 * hidden + i], up = x[row * 2 * hidden + hidden + i], d = dy[row * hidden + i];
                y[row * hidden + i] = g * Sigmoid(g) * up;
                dx[row * 2 * hidden + i] = d * up * Slope(g);
                dx[row * 2 * hidden + hidden + i] = d * g * Sigmoid(g);
            }
        }

        for (var i = 0; i < x.Length; i++)
        {
            silu[i] = x[i] * Sigmoid(x[i]);
            dsilu[i] = x[x.Length - 1 - i] * Slope(x[i]);
        }

        var upstream = x.Reverse().ToArray();
        Variants.Check(
            workers =>
            {
                float[] f = Data.Poison(rows * hidden), b = [.. x], s = [.. x], ds = [.. x];
                SwiGlu.Forward(workers, x, f, rows, hidden);
                SwiGlu.Backward(workers, b, dy, b, rows, hidden);
                Silu.Forward(workers, s, s);
                Silu.Backward(workers, ds, upstream, ds);
                return [f, b, s, ds];
            },
            y, dx, silu, dsilu);
    }

    private static (double[] Y, double[] Rstd) Norm(double[] x, float[] gain, int rows, int width)
    {
        var y = new double[rows * width];
        var rstd = new double[rows];
        for (var row = 0; row < rows; row++)
        {
            var squares = 0.0;
            for (var i = 0; i < width; i++)
                squares += x[row * width + i] * x[row * width + i];
            rstd[row] = 1 / Math.Sqrt(squares / width + Epsilon);
            for (var i = 0; i < width; i++)
                y[row * width + i] = x[row * width + i] * rstd[row] * gain[i];
        }

        return (y, rstd);
    }
}
