namespace ModGen.Cpu.Tests;

public class RoutingTests
{
    public static TheoryData<int, int, int, int> Shapes => new() { { 1, 1, 1, 1 }, { 2, 9, 3, 5 }, { 3, 64, 8, 48 }, { 1, 200, 200, 33 }, { 4, 130, 17, 257 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Router_scores_and_gradients_match(int batch, int length, int count, int width)
    {
        var rows = batch * length + count;
        var data = new Data(31);
        float[] x = data.Normal(rows * width), w = data.Normal(width), ds = data.Normal(rows), dxBefore = data.Normal(rows * width), dwBefore = data.Normal(width);
        var scores = new double[rows];
        double[] dx = [.. dxBefore.Select(v => (double)v)], dw = [.. dwBefore.Select(v => (double)v)];
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < width; i++)
            {
                scores[row] += (double)x[row * width + i] * w[i];
                dx[row * width + i] += (double)ds[row] * w[i];
                dw[i] += (double)ds[row] * x[row * width + i];
            }
        }

        Variants.Check(
            workers =>
            {
                float[] s = Data.Poison(rows), actualX = [.. dxBefore], actualW = [.. dwBefore];
                Router.Scores(workers, x, w, s, rows, width);
                Router.Backward(workers, x, w, ds, actualX, actualW, rows, width);
                return [s, actualX, actualW];
            },
            scores, dx, dw);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Rows_are_gathered_scattered_and_gated(int batch, int length, int count, int width)
    {
        var data = new Data(32);
        float[] x = data.Normal(batch * length * width), f = data.Normal(batch * count * width), gates = data.Normal(batch * count);
        var indices = data.Selection(batch, length, count);
        var gathered = Gathered(x, indices, batch, length, count, width);
        double[] scattered = [.. x.Select(v => (double)v)], gated = [.. scattered], df = new double[f.Length], dgates = new double[gates.Length];
        for (var row = 0; row < batch * count; row++)
        {
            for (var i = 0; i < width; i++)
            {
                var at = (row / count * length + indices[row]) * width + i;
                scattered[at] += f[row * width + i];
                gated[at] += (double)gates[row] * f[row * width + i];
                df[row * width + i] = (double)gates[row] * x[at];
                dgates[row] += (double)x[at] * f[row * width + i];
            }
        }

        Variants.Check(
            workers =>
            {
                float[] g = Data.Poison(f.Length), s = [.. x], y = Data.Poison(x.Length), inPlace = [.. x], actualF = Data.Poison(f.Length), actualG = Data.Poison(gates.Length), sharedF = [.. f];
                Rows.Gather(workers, x, indices, g, batch, length, count, width);
                Rows.ScatterAdd(workers, f, indices, s, batch, length, count, width);
                Rows.ScatterAddScaled(workers, x, indices, f, gates, y, batch, length, count, width);
                Rows.ScatterAddScaled(workers, inPlace, indices, f, gates, inPlace, batch, length, count, width);
                Rows.GatherScaleBackward(workers, x, indices, f, gates, actualF, actualG, batch, length, count, width);
                Rows.GatherScaleBackward(workers, x, indices, sharedF, gates, sharedF, Data.Poison(gates.Length), batch, length, count, width);
                return [g, s, y, inPlace, actualF, actualG, sharedF];
            },
            gathered, scattered, gated, gated, df, dgates, df);
    }

    [Fact]
    public void A_position_outside_the_sequence_is_named()
    {
        var workers = Variants.Workers(128, 1);
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Rows.Gather(workers, new float[12], [0, 4], new float[6], 1, 4, 2, 3));
        Assert.Contains("holds 4; it must be from 0 to 3", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => TopK.Select(workers, new float[4], new int[5], 1, 4, 5));
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gates_and_their_gradients_match(int batch, int length, int count, int width)
    {
        var data = new Data(33 + width);
        float[] scores = data.Normal(batch * length, 2), dgates = data.Normal(batch * count);
        var indices = data.Selection(batch, length, count);
        var expected = new List<double[]>();
        foreach (var gate in (Func<double, double>[])[v => v, v => 1 / (1 + Math.Exp(-v)), Math.Tanh])
        {
            double[] values = new double[batch * count], gradient = new double[batch * length];
            for (var row = 0; row < values.Length; row++)
            {
                var at = row / count * length + indices[row];
                values[row] = gate(scores[at]);
                gradient[at] = dgates[row] * (gate(scores[at] + 1e-5) - gate(scores[at] - 1e-5)) / 2e-5;
            }

            expected.Add(values);
            expected.Add(gradient);
        }

        Variants.Check(
            workers =>
            {
                var gates = Enumerable.Range(0, 3).Select(_ => Data.Poison(batch * count)).ToArray();
                var gradients = Enumerable.Range(0, 3).Select(_ => Data.Poison(batch * length)).ToArray();
                Gates.Identity(workers, scores, indices, gates[0], batch, length, count);
                Gates.IdentityBackward(workers, gates[0], dgates, indices, gradients[0], batch, length, count);
                Gates.Sigmoid(workers, scores, indices, gates[1], batch, length, count);
                Gates.SigmoidBackward(workers, gates[1], dgates, indices, gradients[1], batch, length, count);
                Gates.Tanh(workers, scores, indices, gates[2], batch, length, count);
                Gates.TanhBackward(workers, gates[2], dgates, indices, gradients[2], batch, length, count);
                return [gates[0], gradients[0], gates[1], gradients[1], gates[2], gradients[2]];
            },
            [.. expected]);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Routing_loss_matches_with_its_gradient(int batch, int length, int count, int width)
    {
        var data = new Data(34 + width);
        float[] logits = data.Normal(batch * length, 3), before = data.Normal(batch * length);
        logits[0] = 95;
        logits[^1] = -95;
        var indices = data.Selection(batch, length, count);
        var gradient = before.Select(v => (double)v).ToArray();
        var loss = 0.0;
        for (var b = 0; b < batch; b++)
        {
            for (var t = 0; t < length; t++)
            {
                double r = logits[b * length + t];
                var member = indices.AsSpan(b * count, count).Contains(t) ? 1.0 : 0.0;
                loss += (Math.Max(r, 0) - r * member + Math.Log(1 + Math.Exp(-Math.Abs(r)))) / (batch * length);
                gradient[b * length + t] += 0.3 * (1 / (1 + Math.Exp(-r)) - member) / (batch * length);
            }
        }

        Variants.Check(
            workers =>
            {
                float[] d = [.. before];
                RoutingLoss.Backward(workers, logits, indices, d, 0.3f, batch, length, count);
                return [[RoutingLoss.Forward(workers, logits, indices, batch, length, count)], d];
            },
            [loss], gradient);
    }

    internal static double[] Gathered(float[] x, int[] indices, int batch, int length, int count, int width)
    {
        var gathered = new double[batch * count * width];
        for (var row = 0; row < batch * count; row++)
        {
            for (var i = 0; i < width; i++)
                gathered[row * width + i] = x[(row / count * length + indices[row]) * width + i];
        }

        return gathered;
    }
}
