namespace ModGen.Cpu.Tests;

public class LinearTests
{
    public static TheoryData<int, int, int> Sizes => new()
    {
        { 1, 1, 1 }, { 1, 257, 33 }, { 2, 16, 64 }, { 3, 31, 257 }, { 4, 64, 65 }, { 7, 100, 1 }, { 12, 48, 5 }, { 13, 65, 37 },
        { 17, 1, 40 }, { 24, 40, 96 }, { 33, 129, 31 }, { 65, 385, 64 }, { 100, 800, 12 }, { 192, 33, 130 }, { 257, 64, 300 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Forward_is_x_times_the_transposed_weight(int rows, int inputs, int outputs)
    {
        var data = new Data(1);
        float[] x = data.Normal(rows * inputs), w = data.Normal(outputs * inputs), residual = data.Normal(rows * outputs), bias = data.Normal(outputs);
        var product = Product(x, w, rows, inputs, outputs);
        var plusResidual = product.Select((p, i) => p + residual[i]).ToArray();
        var plusBias = product.Select((p, i) => p + bias[i % outputs]).ToArray();
        Variants.Check(
            workers =>
            {
                float[] y = Data.Poison(rows * outputs), added = Data.Poison(rows * outputs), inPlace = [.. residual], biased = Data.Poison(rows * outputs);
                Linear.Forward(workers, x, w, y, rows, inputs, outputs);
                Linear.ForwardAdd(workers, x, w, residual, added, rows, inputs, outputs);
                Linear.ForwardAdd(workers, x, w, inPlace, inPlace, rows, inputs, outputs);
                Linear.ForwardBias(workers, x, w, bias, biased, rows, inputs, outputs);
                return [y, added, inPlace, biased];
            },
            product, plusResidual, plusResidual, plusBias);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Gradients_are_the_transposed_products(int rows, int inputs, int outputs)
    {
        var data = new Data(2);
        float[] x = data.Normal(rows * inputs), w = data.Normal(outputs * inputs), dy = data.Normal(rows * outputs);
        float[] before = data.Normal(outputs * inputs), biasBefore = data.Normal(outputs);
        var dx = new double[rows * inputs];
        var dw = before.Select(b => (double)b).ToArray();
        var db = biasBefore.Select(b => (double)b).ToArray();
        for (var r = 0; r < rows; r++)
        {
            for (var o = 0; o < outputs; o++)
            {
                db[o] += dy[r * outputs + o];
                for (var i = 0; i < inputs; i++)
                {
                    dx[r * inputs + i] += (double)dy[r * outputs + o] * w[o * inputs + i];
                    dw[o * inputs + i] += (double)dy[r * outputs + o] * x[r * inputs + i];
                }
            }
        }

        Variants.Check(
            workers =>
            {
                float[] actualX = Data.Poison(rows * inputs), actualW = [.. before], actualB = [.. biasBefore];
                Linear.InputGradient(workers, dy, w, actualX, rows, inputs, outputs);
                Linear.WeightGradient(workers, x, dy, actualW, rows, inputs, outputs);
                Linear.BiasGradient(workers, dy, actualB, rows, outputs);
                return [actualX, actualW, actualB];
            },
            dx, dw, db);
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(37, 65, 401)]
    [InlineData(130, 4200, 9)]
    [InlineData(400, 97, 770)]
    public void Matrix_product_matches(int m, int n, int k)
    {
        var data = new Data(3);
        float[] a = data.Normal(m * k), b = data.Normal(k * n);
        var expected = new double[m * n];
        for (var i = 0; i < m; i++)
        {
            for (var l = 0; l < k; l++)
            {
                for (var j = 0; j < n; j++)
                    expected[i * n + j] += (double)a[i * k + l] * b[l * n + j];
            }
        }

        Variants.Check(
            workers =>
            {
                var c = Data.Poison(m * n);
                Matrix.Multiply(workers, a, b, c, m, n, k);
                return [c];
            },
            expected);
    }

    [Fact]
    public void A_short_span_is_refused_before_anything_is_read()
    {
        using var workers = new CpuWorkers(1);
        var error = Assert.Throws<ArgumentException>(() => Linear.Forward(workers, new float[6], new float[8], new float[5], 2, 3, 3));
        Assert.Contains("holds 8 elements and the given sizes need 9", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Linear.Forward(workers, [], [], [], 0, 3, 3));
    }

    internal static double[] Product(float[] x, float[] w, int rows, int inputs, int outputs)
    {
        var y = new double[rows * outputs];
        for (var r = 0; r < rows; r++)
        {
            for (var o = 0; o < outputs; o++)
            {
                for (var i = 0; i < inputs; i++)
                    y[r * outputs + o] += (double)x[r * inputs + i] * w[o * inputs + i];
            }
        }

        return y;
    }
}
