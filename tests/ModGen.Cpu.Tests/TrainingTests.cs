namespace ModGen.Cpu.Tests;

public class TrainingTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(50, 33, 9)]
    [InlineData(300, 130, 40)]
    public void Embedding_and_its_gradient_match(int rows, int width, int vocabulary)
    {
        var data = new Data(51);
        float[] table = data.Normal(vocabulary * width), dy = data.Normal(rows * width), before = data.Normal(vocabulary * width);
        var tokens = data.Integers(rows, vocabulary);
        var y = new double[rows * width];
        var gradient = before.Select(v => (double)v).ToArray();
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < width; i++)
            {
                y[row * width + i] = table[tokens[row] * width + i];
                gradient[tokens[row] * width + i] += dy[row * width + i];
            }
        }

        Variants.Check(
            workers =>
            {
                float[] f = Data.Poison(rows * width), b = [.. before];
                Embedding.Forward(workers, tokens, table, f, rows, width);
                Embedding.Backward(workers, tokens, dy, b, rows, width, vocabulary);
                return [f, b];
            },
            y, gradient);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    public void A_token_outside_the_vocabulary_is_named(int token)
    {
        var workers = Variants.Workers(128, 1);
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Forward(workers, [0, token], new float[8], new float[4], 2, 2));
        Assert.Contains($"Token {token} is outside the vocabulary; tokens go from 0 to 3", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Backward(workers, [0, token], new float[4], new float[8], 2, 2, 4));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 5, 2)]
    [InlineData(40, 24, 37)]
    [InlineData(100, 33, 257)]
    [InlineData(300, 8, 20_000)]
    public void Head_loss_and_gradients_match(int rows, int width, int vocabulary)
    {
        var data = new Data(52);
        float[] hidden = data.Normal(rows * width), weight = data.Normal(vocabulary * width), before = data.Normal(vocabulary * width);
        var targets = data.Integers(rows, vocabulary);
        for (var row = 1; row < rows; row += 5)
            targets[row] = -1;
        var counted = targets.Count(t => t >= 0);
        var logits = LinearTests.Product(hidden, weight, rows, width, vocabulary);
        var loss = 0.0;
        var dhidden = new double[rows * width];
        var dweight = before.Select(v => (double)v).ToArray();
        for (var row = 0; row < rows; row++)
        {
            if (targets[row] < 0)
                continue;
            var logit = logits.AsSpan(row * vocabulary, vocabulary).ToArray();
            var max = logit.Max();
            var log = max + Math.Log(logit.Sum(v => Math.Exp(v - max)));
            loss += (log - logit[targets[row]]) / counted;
            for (var c = 0; c < vocabulary; c++)
            {
                var d = (Math.Exp(logit[c] - log) - (c == targets[row] ? 1 : 0)) * 0.5 / counted;
                for (var i = 0; i < width; i++)
                {
                    dhidden[row * width + i] += d * weight[c * width + i];
                    dweight[c * width + i] += d * hidden[row * width + i];
                }
            }
        }

        Variants.Check(
            workers =>
            {
                float[] dh = Data.Poison(rows * width), dw = [.. before];
                var forward = CrossEntropyHead.Forward(workers, hidden, weight, targets, rows, width, vocabulary);
                var both = CrossEntropyHead.ForwardBackward(workers, hidden, weight, targets, 0.5f, dh, dw, rows, width, vocabulary);
                return [[forward], [both], dh, dw];
            },
            [loss], [loss], dhidden, dweight);
    }

    [Fact]
    public void A_head_without_counted_targets_gives_zero_and_refuses_targets_beyond_the_vocabulary()
    {
        var workers = Variants.Workers(128, 1);
        var dhidden = Data.Poison(4);
        var dweight = new float[6];
        Assert.Equal(0, CrossEntropyHead.ForwardBackward(workers, [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [-1, -1], 1, dhidden, dweight, 2, 2, 3));
        Assert.All(dhidden, v => Assert.Equal(0, v));
        Assert.All(dweight, v => Assert.Equal(0, v));
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => CrossEntropyHead.Forward(workers, [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [0, 3], 2, 2, 3));
        Assert.Contains("Target 3 is outside the vocabulary", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(33, 7)]
    [InlineData(40_001, 1000)]
    public void Adamw_matches(int length, long step)
    {
        var data = new Data(53);
        float[] p = data.Normal(length), g = data.Normal(length), m = data.Normal(length), v = [.. data.Normal(length).Select(x => x * x)];
        double[] ep = new double[length], em = new double[length], ev = new double[length];
        for (var i = 0; i < length; i++)
        {
            var gradient = 0.25 * g[i];
            em[i] = 0.9f * (double)m[i] + (1 - 0.9f) * gradient;
            ev[i] = 0.99f * (double)v[i] + (1 - 0.99f) * gradient * gradient;
            var update = em[i] / (1 - Math.Pow(0.9f, step)) / (Math.Sqrt(ev[i] / (1 - Math.Pow(0.99f, step))) + 1e-8);
            ep[i] = p[i] - 1e-2f * (update + 0.1f * (double)p[i]);
        }

        Variants.Check(
            workers =>
            {
                float[] ap = [.. p], am = [.. m], av = [.. v];
                AdamWKernel.Step(workers, ap, g, am, av, 1e-2f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.25, step);
                return [ap, am, av];
            },
            ep, em, ev);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_537)]
    [InlineData(200_003)]
    public void Sum_of_squares_is_exact_to_double_and_carries_what_is_not_finite(int length)
    {
        var x = new Data(54).Normal(length, 1e20f);
        var expected = x.Sum(v => (double)v * v);
        foreach (var threads in (int[])[1, 3])
        {
            var workers = Variants.Workers(CpuWorkers.VectorBits, threads);
            Assert.True(Math.Abs(Reduction.SumOfSquares(workers, x) - expected) <= 1e-12 * expected);
            Assert.Equal(Reduction.SumOfSquares(Variants.Workers(128, 1), x), Reduction.SumOfSquares(workers, x));
            if (length == 0)
                continue;
            float[] nan = [.. x], infinite = [.. x];
            nan[length / 2] = float.NaN;
            infinite[length - 1] = float.NegativeInfinity;
            Assert.True(double.IsNaN(Reduction.SumOfSquares(workers, nan)));
            Assert.Equal(double.PositiveInfinity, Reduction.SumOfSquares(workers, infinite));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(100)]
    public void The_first_value_that_is_not_finite_is_found(int length)
    {
        var x = new Data(55).Normal(length);
        x[0] = float.MaxValue;
        Assert.Equal(-1, Reduction.FirstNonFinite(x));
        foreach (var bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            for (var at = 0; at < length; at++)
            {
                float[] y = [.. x];
                y[at] = bad;
                y[^1] = bad;
                Assert.Equal(at, Reduction.FirstNonFinite(y));
            }
        }
    }
}
